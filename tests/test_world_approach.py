"""Claims about `job.world.approach`: rank 0 and rank 1 are threads, with a real store."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from job.errors import DataError, InterruptedRunError, JobError, OutputError, UnfitNodeError
from job.stop import StopFlag
from job.world import ALONE, Approach, Placement
from job.world.patience import Limits, Patience
from job.world.rendezvous import await_hearers, meet, open_store
from rank_processes import places

LIMITS = Limits(silence=5.0, farewell=10.0)


def fail(place: Placement, error: Exception, limits: Limits = LIMITS) -> float:
    """Seconds that a rank takes to leave with an error on its way."""
    began = time.monotonic()
    with pytest.raises(type(error)), Approach(place, StopFlag(), limits):
        raise error
    return time.monotonic() - began


def wait(place: Placement) -> tuple[JobError, float]:
    """Why a rank leaves that waits for the others, and after how many seconds."""
    began = time.monotonic()
    store = open_store(place, Patience(60.0, StopFlag()), LIMITS)
    with pytest.raises(JobError) as caught:
        meet(store, place, "cpu", Patience(60.0, StopFlag()))
    await_hearers(store, place, Patience(LIMITS.farewell, StopFlag()))
    return caught.value, time.monotonic() - began


@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (OutputError("full"), OutputError),
        (UnfitNodeError("no GPU", unfit_node="gpu2"), InterruptedRunError),
    ],
)
def test_rank_that_fails_on_its_way_is_not_waited_for(
    culprit: int, error: JobError, ending: type[JobError]
) -> None:
    """The others leave within seconds, with its code if no further attempt mends it.

    Else they know the node that is to blame, if one is.
    """
    placed = places(2)
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(fail, placed[culprit], error)
        left, seconds = pool.submit(wait, placed[1 - culprit]).result()

    assert type(left) is ending
    assert repr(error) in left.seen
    assert left.unfit_node == error.unfit_node
    assert max(seconds, failing.result()) < LIMITS.farewell


def test_rank_0_that_comes_late_is_told_all_the_same() -> None:
    """It may have to watch the last owner of the folder before it opens its store."""
    main, other = places(2)
    hasty = replace(LIMITS, farewell=1.0)
    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fail, other, UnfitNodeError("no GPU", unfit_node="gpu2"), hasty)
        time.sleep(3 * hasty.farewell)
        left, _ = wait(main)

    assert left.unfit_node == "gpu2"
    assert failing.result() > hasty.farewell


def test_all_may_fail_on_their_way() -> None:
    """None waits for another one then."""
    with ThreadPoolExecutor(2) as pool:
        took = list(pool.map(fail, places(2), [DataError("a"), DataError("b")]))

    assert max(took) < LIMITS.farewell


def test_nobody_waits_for_long_to_be_heard() -> None:
    """The others may never come."""
    placed = replace(places(2)[0])
    with pytest.raises(DataError), Approach(placed, StopFlag(), replace(LIMITS, farewell=0.2)):
        raise DataError("torn")


@pytest.mark.parametrize("error", [InterruptedRunError("SIGTERM"), ValueError("a bug")])
def test_stop_and_bug_are_not_told(error: Exception) -> None:
    """A stop comes to all ranks; nobody is kept from leaving."""
    assert fail(places(2)[0], error) < 1.0


def test_rank_alone_and_one_that_has_met_the_others_have_nobody_to_tell() -> None:
    """The world tells of failures after the meeting."""
    assert fail(ALONE.placement, DataError("torn")) < 1.0
    approach = Approach(places(2)[0], StopFlag(), LIMITS)
    approach.end()
    with pytest.raises(DataError), approach:
        raise DataError("torn")
