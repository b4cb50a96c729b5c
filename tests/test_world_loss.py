"""Claims about `job.world.loss`, with a real store on the loopback."""

import pytest

from job.errors import (
    DataError,
    InterruptedRunError,
    JobError,
    OutputError,
    StalledError,
    UnfitNodeError,
)
from job.stop import StopFlag
from job.world.loss import Loss, tell_loss, told_loss
from job.world.patience import Limits, Patience
from job.world.rendezvous import open_store
from rank_processes import places


def test_first_loss_that_is_told_counts() -> None:
    """Whoever leaves because of it is not blamed."""
    store = open_store(places(1)[0], Patience(20.0, StopFlag()), Limits())
    first = Loss.by(DataError("torn"), 1)

    assert told_loss(store) is None
    assert tell_loss(store, first) == first
    assert tell_loss(store, Loss("rank 2")) == first
    assert told_loss(store) == first


@pytest.mark.parametrize("error", [DataError("torn"), OutputError("full"), JobError("odd")])
def test_all_end_alike_where_trying_again_is_of_no_use(error: JobError) -> None:
    """A scheduler that sees the highest code would try again for a 75."""
    left = Loss.by(error, 3).error(fix="mend it")

    assert type(left) is type(error)
    assert (left.exit_code, left.fix) == (error.exit_code, "mend it")
    assert "rank 3 on" in left.seen


@pytest.mark.parametrize("error", [UnfitNodeError("no GPU"), StalledError("stuck"), ValueError()])
def test_others_are_interrupted_where_it_was_one_node_or_a_bug(error: Exception) -> None:
    """Their nodes are fit, and so may be the next attempt."""
    assert type(Loss.by(error, 0).error(fix="")) is InterruptedRunError


@pytest.mark.parametrize("kind", [UnfitNodeError, InterruptedRunError])
def test_unfit_node_is_known_to_all(kind: type[JobError]) -> None:
    """Rank 0, which writes the ledger, may hear of it from a rank that has only heard of it."""
    store = open_store(places(1)[0], Patience(20.0, StopFlag()), Limits())
    told = tell_loss(store, Loss.by(kind("no GPU", unfit_node="gpu2"), 1))

    assert told_loss(store) == told
    assert told.error(fix="").unfit_node == "gpu2"


@pytest.mark.parametrize("error", [StalledError("stuck"), DataError("torn"), ValueError()])
def test_no_node_is_to_blame_for_what_is_not_its_fault(error: Exception) -> None:
    """It would be kept off for nothing."""
    assert Loss.by(error, 0).error(fix="").unfit_node == ""
