"""Claims about `job.world.location`: each way to start the job, and those that do not agree."""

import platform
from typing import Any

import pytest

from job.errors import SettingsError
from job.settings import Settings
from job.world import here, locate, placement
from job.world.placement import Node, Placement
from job.world.torchrun import as_rank
from test_world_srun import TASK
from test_world_torchrun import POD

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "gpu1",
    "MASTER_PORT": "29400",
}
AGENT = {"TORCHELASTIC_RUN_ID": "7", "GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2"}
ONE_PER_NODE = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}
NODE_TASK = TASK | ONE_PER_NODE | {"SLURM_PROCID": "1"}
INDEXED = {"nodes": 2, "master_address": "train-0.train"}


def rank(environ: dict[str, str], **settings: Any) -> Placement:
    """The place of a process that is a rank."""
    found = locate(environ, Settings(**settings))
    assert isinstance(found, Placement)
    return found


def node(environ: dict[str, str], **settings: Any) -> Node:
    """The node of a process that may launch ranks."""
    found = locate(environ, Settings(**settings))
    assert isinstance(found, Node)
    return found


def refusal(environ: dict[str, str], **settings: Any) -> str:
    """What is said against it."""
    with pytest.raises(SettingsError) as caught:
        locate(environ, Settings(**settings))
    return caught.value.seen


def test_process_that_nobody_placed_is_alone() -> None:
    """It may launch ranks; if it does not, it is the only one."""
    assert node({}) == Node(0, 1, "127.0.0.1", None, "alone")
    assert placement({}, Settings()) == Placement(
        0, 1, 0, 1, 0, 1, "127.0.0.1", 0, "alone", counted=True
    )


def test_place_of_this_process_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is asked."""
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)

    assert here(Settings()) == placement(TORCHRUN, Settings())


def test_node_has_the_name_that_slurm_gave_it() -> None:
    """Ranks that a task launches are told, too; without Slurm it is the host's."""
    named = {"SLURMD_NODENAME": "gpu2"}
    launched = as_rank(NODE_TASK | named, node(NODE_TASK | named).placement(0, 2))

    assert node(NODE_TASK | named).node_name == "gpu2"
    assert rank(TASK | named).node_name == "gpu2"
    assert rank(launched).node_name == "gpu2"
    assert node(NODE_TASK).placement(0, 1).node_name == platform.node()
    assert rank(TASK).node_name == platform.node()


def test_step_knows_how_many_gpus_slurm_gave_it_here() -> None:
    """Whether it can see them or not."""
    given = {"SLURM_GPUS_ON_NODE": "4"}

    assert rank(TASK | given).granted_gpus == 4
    assert node(NODE_TASK | given).placement(0, 4).granted_gpus == 4
    assert (rank(TASK).granted_gpus, node(NODE_TASK).granted_gpus) == (None, None)


def test_rank_of_torchrun_knows_its_place() -> None:
    """Ranks that were launched, by whomever, never launch."""
    assert rank(TORCHRUN) == Placement(3, 4, 1, 2, 1, 2, "gpu1", 29_400, "RANK", counted=True)


def test_store_of_torchruns_agent_is_used() -> None:
    """It holds the port that rank 0 would open, over all its attempts."""
    agent = AGENT | {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2"}
    found = rank(TORCHRUN | agent)

    assert (found.store_is_there, found.attempt) == (True, 2)
    assert not rank(TORCHRUN).store_is_there
    assert not rank(TORCHRUN | {"TORCHELASTIC_USE_AGENT_STORE": "False"}).store_is_there


def test_rank_without_local_numbers_has_its_node_to_itself() -> None:
    """The least that torch's own `env://` asks for is enough."""
    least = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "gpu1"}

    assert rank(least) == Placement(1, 2, 0, 1, 1, 2, "gpu1", 29_500, "RANK", counted=True)


def test_task_of_srun_is_a_rank() -> None:
    """Its master is the first host of the step, at a port of the step's own."""
    assert rank(TASK) == Placement(2, 4, 0, 2, 1, 2, "gpu1", 61_001, "SLURM_PROCID", counted=True)


def test_tasks_on_one_node_meet_on_the_loopback() -> None:
    """A name that is not known is in nobody's way then."""
    one = {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_NODEID": "0"}

    assert rank(TASK | one | {"SLURM_LOCALID": "2"}).master_address == "127.0.0.1"


def test_master_of_a_batch_script_is_taken() -> None:
    """What is said beats what is guessed; the rest is still srun's."""
    assert rank(TASK | {"MASTER_ADDR": "gpu1-ib", "MASTER_PORT": "30000"}).master_port == 30_000
    assert rank(TASK, master_address="gpu1-ib").master_address == "gpu1-ib"
    assert rank(TASK, master_port=30_000).master_port == 30_000


def test_lone_task_on_each_node_may_launch() -> None:
    """Whether it does depends on its GPUs; if not, it is a rank."""
    assert node(NODE_TASK) == Node(1, 2, "gpu1", 61_001, "SLURM_PROCID")
    assert placement(NODE_TASK, Settings()).rank == 1
    assert placement(NODE_TASK, Settings()).size == 2


def test_single_task_is_alone() -> None:
    """`srun` with one task only passes the work on."""
    single = {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1", "SLURM_NODEID": "0"}
    found = node(TASK | single | {"SLURM_PROCID": "0", "SLURM_STEP_TASKS_PER_NODE": "1"})

    assert (found.count, found.master_address, found.master_port) == (1, "127.0.0.1", None)


def test_uneven_tasks_are_ranks() -> None:
    """Three tasks on two nodes: the one that is alone on its node is no node."""
    uneven = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_TASKS_PER_NODE": "2,1"}
    found = rank(TASK | uneven)

    assert (found.rank, found.size, found.local_size, found.node) == (2, 3, 1, 1)


def test_enroots_hook_changes_nothing() -> None:
    """It gives Slurm's numbers torchrun's names, without LOCAL_WORLD_SIZE."""
    hook = {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "gpu1"}
    assert rank(TASK | hook | {"MASTER_PORT": "61001"}).local_size == 2

    of_node = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "gpu1"}
    assert node(NODE_TASK | of_node).rank == 1


@pytest.mark.parametrize("arrival", ["0", "1"])
def test_torchrun_under_srun_is_no_contradiction(arrival: str) -> None:
    """One task a node; torchrun numbers the nodes as they arrive, even with one rank each."""
    assert rank(NODE_TASK | TORCHRUN | AGENT | {"GROUP_RANK": arrival}).rank == 3

    one_each = {"RANK": arrival, "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    found = rank(NODE_TASK | TORCHRUN | AGENT | one_each | {"GROUP_RANK": arrival})
    assert found.rank == int(arrival)


def test_pod_of_an_indexed_job_is_a_node() -> None:
    """Its index is that of the node once JOB_NODES says that the pods belong together."""
    found = node({"JOB_COMPLETION_INDEX": "1"}, **INDEXED)

    assert found == Node(1, 2, "train-0.train", 29_500, "JOB_COMPLETION_INDEX")


def test_pods_of_a_sweep_are_alone() -> None:
    """Without JOB_NODES an index is not a place in a run."""
    assert node({"JOB_COMPLETION_INDEX": "7"}) == node({})


def test_pod_of_kubeflow_is_a_node() -> None:
    """PET_* describe nodes; the port and the processes are theirs, too."""
    told = POD | {"PET_NPROC_PER_NODE": "4"}

    assert node(told) == Node(1, 2, "train-master-0", 23_456, "PET_NODE_RANK", 4)
    alone = node({"PET_NNODES": "1", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "train-0"})
    assert (alone.count, alone.master_address) == (1, "127.0.0.1")


def test_processes_per_node_are_told_to_the_node() -> None:
    """By the setting, or by Kubeflow where the setting leaves it open."""
    assert node({}, processes_per_node=4).processes == 4
    assert node({}).processes is None
    assert rank(TORCHRUN, processes_per_node=2).local_size == 2


def test_rank_knows_whether_its_number_may_be_that_of_gpus() -> None:
    """Launched or not, unless somebody said how many a node is to have."""
    found = [placement({}, Settings()), rank(TORCHRUN), node({}).placement(0, 8)]
    told = [rank(TORCHRUN, processes_per_node=2), node({}, processes_per_node=8).placement(0, 8)]

    assert [place.counted for place in (*found, *told)] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("environ", "settings", "sides"),
    [
        (TASK | {"RANK": "1", "WORLD_SIZE": "4"}, {}, ("RANK=1", "SLURM_PROCID=2")),
        (
            TASK | TORCHRUN | {"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "8"},
            {},
            ("WORLD_SIZE=8", "SLURM_STEP_NUM_TASKS=4"),
        ),
        (TORCHRUN, {"processes_per_node": 4}, ("LOCAL_WORLD_SIZE=2", "JOB_PROCESSES_PER_NODE=4")),
        (TASK, {"processes_per_node": 4}, ("TASKS_PER_NODE=2", "JOB_PROCESSES_PER_NODE=4")),
        (TORCHRUN, {"nodes": 3}, ("nodes=2", "JOB_NODES=3")),
        (TORCHRUN, {"master_address": "gpu2"}, ("MASTER_ADDR=gpu1", "JOB_MASTER_ADDRESS=gpu2")),
        (TORCHRUN, {"master_port": 30_000}, ("MASTER_PORT=29400", "JOB_MASTER_PORT=30000")),
        (
            POD | {"JOB_COMPLETION_INDEX": "0"},
            INDEXED,
            ("PET_NODE_RANK=1", "JOB_COMPLETION_INDEX=0"),
        ),
        (POD, {"nodes": 3}, ("PET_NNODES=2", "JOB_NODES=3")),
        (NODE_TASK, {"nodes": 3}, ("SLURM_STEP_NUM_TASKS=2", "JOB_NODES=3")),
        (
            POD | {"PET_NPROC_PER_NODE": "2"},
            {"processes_per_node": 4},
            ("PET_NPROC_PER_NODE=2", "JOB_PROCESSES_PER_NODE=4"),
        ),
    ],
)
def test_contradicting_sources_are_refused(
    environ: dict[str, str], settings: dict[str, Any], sides: tuple[str, str]
) -> None:
    """Both are printed, whatever the pair."""
    seen = refusal(environ, **settings)

    assert sides[0] in seen
    assert sides[1] in seen


@pytest.mark.parametrize(
    ("environ", "settings", "seen"),
    [
        ({"RANK": "1"}, {}, "RANK=1 without WORLD_SIZE"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": ""}, {}, "LOCAL_RANK=1 without LOCAL_WORLD_SIZE"),
        (TORCHRUN | {"MASTER_ADDR": ""}, {}, "nothing says where rank 0 is"),
        ({}, {"nodes": 2}, "JOB_NODES=2 without JOB_COMPLETION_INDEX"),
        ({"JOB_COMPLETION_INDEX": "1"}, {"nodes": 2}, "nothing says where rank 0 is"),
        (
            {"JOB_COMPLETION_INDEX": "2"},
            INDEXED,
            "JOB_COMPLETION_INDEX=2 is not below JOB_NODES=2",
        ),
        (TORCHRUN | {"RANK": "4"}, {}, "RANK=4 is not below WORLD_SIZE=4"),
    ],
)
def test_half_set_sources_are_refused(
    environ: dict[str, str], settings: dict[str, Any], seen: str
) -> None:
    """What is missing is named, so that it can be set."""
    assert refusal(environ, **settings) == seen


def test_master_of_a_single_node_is_not_compared() -> None:
    """A manifest may name one for all its sizes; on one node the launcher takes the loopback."""
    one = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1"}

    assert rank(TORCHRUN | one, master_address="train-0").master_address == "127.0.0.1"
    assert node({}, master_address="train-0").master_address == "127.0.0.1"


def test_only_rank_of_torchrun_meets_nobody() -> None:
    """`torchrun --nproc-per-node 1` is a run of one."""
    found = rank({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"})

    assert (found.size, found.master_port) == (1, 0)
