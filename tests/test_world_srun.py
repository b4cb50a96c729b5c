"""Claims about `job.world.srun`; the environments are those of Slurm 22.05."""

import pytest

from job.errors import SettingsError
from job.world import srun

# The third of four tasks on two nodes.
TASK = {
    "SLURM_JOB_ID": "4537",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "gpu[1-2]",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
}


def values(environ: dict[str, str]) -> dict[str, int | str]:
    """The facts of a claim without their names."""
    return {str(fact): said.value for fact, said in srun.step_claim(environ).items()}


def test_task_of_a_step_is_a_rank() -> None:
    """All that the job needs to know, and no name of torchrun's is asked for."""
    assert values(TASK) == {
        "rank": 2,
        "size": 4,
        "local_rank": 0,
        "local_size": 2,
        "node": 1,
        "nodes": 2,
    }


def test_batch_shell_is_no_task() -> None:
    """It has SLURM_PROCID=0 and the number of tasks of the job, which are not its own."""
    shell = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "4"}

    assert srun.step_claim(shell) == {}
    assert not srun.is_step(shell)
    assert not srun.has_one_task_per_node({})


@pytest.mark.parametrize("missing", ["SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_NODES"])
def test_half_a_step_is_refused(missing: str) -> None:
    """A container that lets only some variables through would train four times, alone."""
    with pytest.raises(SettingsError, match=f"without {missing}"):
        srun.step_claim({name: value for name, value in TASK.items() if name != missing})


@pytest.mark.parametrize(
    ("text", "node", "tasks"), [("4", 0, 4), ("2(x3),1", 2, 2), ("2(x3),1", 3, 1), ("1,3", 1, 3)]
)
def test_tasks_of_each_node_are_read(text: str, node: int, tasks: int) -> None:
    """Slurm writes runs of equal numbers short."""
    many = {"SLURM_STEP_NUM_TASKS": "9", "SLURM_STEP_NUM_NODES": "4", "SLURM_LOCALID": "0"}
    environ = TASK | many | {"SLURM_STEP_TASKS_PER_NODE": text, "SLURM_NODEID": str(node)}

    assert values(environ)["local_size"] == tasks


@pytest.mark.parametrize("text", ["", "2"])
def test_tasks_of_an_unknown_node_are_refused(text: str) -> None:
    """The text is printed as it is."""
    with pytest.raises(SettingsError, match=f"TASKS_PER_NODE={text} does not tell"):
        srun.step_claim(TASK | {"SLURM_STEP_TASKS_PER_NODE": text})


@pytest.mark.parametrize(("nodes", "is_so"), [("4", True), ("2", False)])
def test_one_task_per_node_may_stand_for_it(nodes: str, is_so: bool) -> None:
    """Then as many tasks as nodes are in the step."""
    environ = TASK | {"SLURM_STEP_NUM_NODES": nodes}

    assert srun.has_one_task_per_node(srun.step_claim(environ)) is is_so


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("gpu1", "gpu1"),
        ("gpu1,gpu2", "gpu1"),
        ("gpu[01-04,07],login", "gpu01"),
        ("gpu[7]", "gpu7"),
        ("rack[2-3]node[10-12]-ib", "rack2node10-ib"),
        ("a-b.c", "a-b.c"),
        ("", ""),
    ],
)
def test_first_host_of_a_list_is_that_of_rank_0(hosts: str, first: str) -> None:
    """`scontrol show hostnames` is not to be had inside a container."""
    assert srun.first_host(hosts) == first
    assert srun.master_address({"SLURM_STEP_NODELIST": hosts}) == first


def test_port_is_the_one_of_enroots_hook() -> None:
    """Another step of the same job has another one, and no job has one that may be taken."""
    assert srun.master_port(TASK) == 61_001
    assert srun.master_port(TASK | {"SLURM_STEP_ID": "3"}) == 61_004
    assert srun.master_port({"SLURM_JOB_ID": "4535"}) == 65_535
    assert srun.master_port({}) == 61_000
