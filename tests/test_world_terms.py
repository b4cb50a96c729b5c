"""Claims about `job.world.terms`."""

from dataclasses import replace

import pytest

from job.errors import JobError, SettingsError, UnfitNodeError
from job.world.placement import Node, Placement
from job.world.terms import Terms, require_same

FULL = Terms(nodes=2, size=16, counted=True, device_type="cuda", node_name="full")
ONE_LESS = replace(FULL, size=14, node_name="less")
TOLD = replace(FULL, counted=False)


def refusal(mine: Terms, theirs: Terms) -> JobError:
    """What a rank that is no rank 0 is refused for."""
    with pytest.raises(JobError) as caught:
        require_same(mine, theirs, "rank 8 on b", "rank 0 on a")
    return caught.value


def place(local_size: int) -> Placement:
    """The last rank of a node with as many."""
    node = Node(0, 1, "a", 29_500, "test", node_name="gpu1")
    return node.placement(local_size - 1, local_size)


@pytest.mark.parametrize("terms", [FULL, TOLD, replace(FULL, device_type="cpu")])
def test_equal_terms_are_fine(terms: Terms) -> None:
    """Whatever they are, and however they were found."""
    require_same(terms, terms, "rank 8 on b", "rank 0 on a")


def test_terms_survive_the_way_to_the_others() -> None:
    """Each fact as it was."""
    assert Terms.from_json(FULL.as_json()) == FULL
    assert Terms.of(place(4), "cpu") == Terms(
        1, 4, counted=True, device_type="cpu", node_name="gpu1"
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "fewer"),
    [(FULL, ONE_LESS, "rank 0 on a"), (ONE_LESS, FULL, "rank 8 on b")],
)
def test_node_that_lacks_a_gpu_is_unfit(mine: Terms, theirs: Terms, fewer: str) -> None:
    """Nothing that was set differs, so another node may do; the one that lacks some is named."""
    error = refusal(mine, theirs)

    assert isinstance(error, UnfitNodeError)
    assert error.unfit_node == "less"
    assert f"is one of {mine.size}, and rank 0 on a one of {theirs.size}" in error.seen
    assert f"GPUs that {fewer} lacks" in error.fix


def test_node_that_was_given_fewer_gpus_is_not_to_blame() -> None:
    """As by `sbatch --nodes=2 --gpus=3`; to exclude it would take another one for the same end."""
    mine, theirs = replace(ONE_LESS, granted_gpus=6), replace(FULL, granted_gpus=8)

    assert refusal(mine, theirs).unfit_node == ""
    assert refusal(mine, replace(FULL, granted_gpus=6)).unfit_node == "less"


def test_node_without_any_gpu_is_unfit() -> None:
    """It has one rank on its CPU, so that the numbers differ, too; rank 0's node is no better."""
    without = replace(FULL, size=2, device_type="cpu", node_name="without")
    error, other = refusal(without, FULL), refusal(FULL, without)

    assert isinstance(error, UnfitNodeError)
    assert error.seen == "rank 8 on b has cpu, and rank 0 on a has cuda"
    assert (error.unfit_node, other.unfit_node) == ("without", "without")


@pytest.mark.parametrize(
    ("mine", "theirs", "setting"),
    [
        (TOLD, replace(TOLD, size=14), "JOB_PROCESSES_PER_NODE"),
        (FULL, replace(TOLD, size=14), "JOB_PROCESSES_PER_NODE"),
        (FULL, replace(FULL, nodes=3, size=24), "JOB_NODES"),
        (FULL, replace(FULL, nodes=4), "JOB_NODES"),
    ],
)
def test_settings_that_differ_are_no_fault_of_a_node(
    mine: Terms, theirs: Terms, setting: str
) -> None:
    """No further attempt would mend them."""
    error = refusal(mine, theirs)

    assert isinstance(error, SettingsError)
    assert setting in error.fix
