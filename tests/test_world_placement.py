"""Claims about `job.world.placement`."""

from dataclasses import replace

import pytest

from job.world.placement import Node

NODE = Node(rank=1, count=3, master_address="gpu1", master_port=29_500, source="test")


def test_ranks_of_a_node_follow_those_of_the_nodes_before() -> None:
    """The last rank of the last node is the last of all."""
    first, last = NODE.placement(0, 4), NODE.placement(3, 4)

    assert (first.rank, last.rank, first.size) == (4, 7, 12)
    assert (last.local_rank, last.local_size, last.node, last.nodes) == (3, 4, 1, 3)
    assert (last.master_address, last.master_port, last.source) == ("gpu1", 29_500, "test")


def test_all_nodes_together_number_each_rank_once() -> None:
    """No rank is missing or doubled."""
    nodes = [Node(rank, 3, "gpu1", 29_500, "test") for rank in range(3)]

    assert [n.placement(i, 2).rank for n in nodes for i in range(2)] == list(range(6))


def test_only_rank_0_is_main() -> None:
    """Not the first of each node, which would write the same files."""
    nodes = [Node(rank, 2, "gpu1", 29_500, "test") for rank in range(2)]

    assert [n.placement(i, 2).is_main for n in nodes for i in range(2)] == [True] + [False] * 3


@pytest.mark.parametrize(("visible", "index"), [(4, 3), (2, 1), (1, 0)])
def test_device_is_the_local_rank_among_the_visible(visible: int, index: int) -> None:
    """With `--gpus-per-task` each rank sees its own GPU alone, as number 0."""
    assert NODE.placement(3, 4).device_index(visible) == index


@pytest.mark.parametrize(("granted", "unfit"), [(None, "gpu1"), (4, "gpu1"), (8, "gpu1"), (3, "")])
def test_node_is_to_blame_only_for_gpus_that_it_was_to_have(
    granted: int | None, unfit: str
) -> None:
    """Where the request gives fewer GPUs than ranks, the next node would be excluded, too."""
    node = replace(NODE, node_name="gpu1", granted_gpus=granted)

    assert node.placement(3, 4).unfit_for_lack_of_gpus == unfit


def test_node_without_a_port_needs_none() -> None:
    """The only rank of a run has nobody to meet."""
    assert Node(0, 1, "127.0.0.1", None, "alone").placement(0, 1).master_port == 0
