"""Claims about `job.world.torchrun`."""

import pytest

from job.errors import SettingsError
from job.world.placement import Node
from job.world.torchrun import as_rank, is_pod, master_claim, node_claim, rank_claim

RANK = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "1",
    "GROUP_WORLD_SIZE": "2",
}
# A worker of Kubeflow's PyTorchJob: RANK is the pod's.
POD = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "train-master-0",
    "MASTER_PORT": "23456",
    "PET_NODE_RANK": "1",
    "PET_NNODES": "2",
    "PET_NPROC_PER_NODE": "auto",
    "PET_MASTER_ADDR": "train-master-0",
    "PET_MASTER_PORT": "23456",
}


def test_rank_of_torchrun_is_read() -> None:
    """All six numbers."""
    claim = rank_claim(RANK)

    assert {said.name: str(said.value) for said in claim.values()} == RANK


@pytest.mark.parametrize(("name", "missing"), [("RANK", "WORLD_SIZE"), ("WORLD_SIZE", "RANK")])
def test_half_a_rank_is_refused(name: str, missing: str) -> None:
    """Which rank of how many are one fact."""
    with pytest.raises(SettingsError, match=f"{name}=1 without {missing}"):
        rank_claim({name: "1"})


def test_local_rank_alone_says_nothing() -> None:
    """Other programs set it, too."""
    assert rank_claim({"LOCAL_RANK": "1", "MASTER_ADDR": "gpu1"}) == {}
    assert master_claim({"MASTER_ADDR": "gpu1"}).keys() == {"address"}


def test_pod_of_kubeflow_is_a_node() -> None:
    """Its RANK counts pods; that of a rank which torchrun has started in it counts ranks."""
    assert is_pod(POD)
    assert rank_claim(POD) == {}
    assert {fact: said.value for fact, said in node_claim(POD).items()} == {
        "node": 1,
        "nodes": 2,
        "address": "train-master-0",
        "port": 23456,
    }
    assert not is_pod(POD | RANK)
    assert rank_claim(POD | RANK)["rank"].value == 3


def test_processes_of_a_pod_may_be_told() -> None:
    """As a number; `auto` and its like leave it to the job."""
    told = node_claim(POD | {"PET_NPROC_PER_NODE": "8"})

    assert str(told["local_size"]) == "PET_NPROC_PER_NODE=8"
    assert str(node_claim({"PET_NPROC_PER_NODE": "2"})["local_size"]) == "PET_NPROC_PER_NODE=2"
    assert node_claim({"PET_NNODES": "1", "PET_NPROC_PER_NODE": "gpu"}) == {}
    assert node_claim({}) == {}


def test_pod_that_contradicts_itself_is_refused() -> None:
    """Both numbers are printed."""
    with pytest.raises(SettingsError, match="PET_NODE_RANK=1 contradicts RANK=0"):
        node_claim(POD | {"RANK": "0"})


def test_half_a_node_is_refused() -> None:
    """Which node of how many are one fact."""
    with pytest.raises(SettingsError, match="PET_NNODES=2 without PET_NODE_RANK"):
        node_claim({"PET_NNODES": "2"})
    with pytest.raises(SettingsError, match="PET_NODE_RANK=1 without PET_NNODES"):
        node_claim({"PET_NODE_RANK": "1"})


def test_elastic_number_of_nodes_is_refused() -> None:
    """The result would depend on who was there."""
    with pytest.raises(SettingsError, match="PET_NNODES=1:4"):
        node_claim({"PET_NNODES": "1:4", "PET_NODE_RANK": "0"})


def test_rank_that_is_launched_hears_of_nothing_else() -> None:
    """What was said of its node or its launcher is gone, all else stays."""
    said = POD | {"SLURM_PROCID": "1", "SLURM_JOB_ID": "7", "TORCHELASTIC_RUN_ID": "x", "A": "b"}
    place = Node(1, 2, "gpu1", 29_500, "test").placement(1, 2)
    environ = as_rank(said, place)

    assert environ == {
        **RANK,
        "MASTER_ADDR": "gpu1",
        "MASTER_PORT": "29500",
        "SLURM_JOB_ID": "7",
        "A": "b",
    }
    assert said["RANK"] == "1"
