"""How often ranks agree: by time, at the same batches on all of them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from job.world import ALONE, Pace, World
from job.world.pace import MOST_BATCHES

SECONDS = 0.25


class Pair(World):
    """Two ranks as one of them sees it: the other proposes `others` batches until the next vote."""

    def __init__(self, others: int = 10**6, *, flag_of_other: bool = False) -> None:
        """Count the agreements."""
        super().__init__(replace(ALONE.placement, size=2))
        self.others, self.flag_of_other, self.agreements = others, flag_of_other, 0

    def most(self, numbers: Sequence[int]) -> list[int]:
        """Those of the other are its flag, and the negative of what it proposes."""
        self.agreements += 1
        others = [self.flag_of_other] * (len(numbers) - 1) + [-self.others]
        return list(map(max, zip(numbers, others, strict=True)))


class Batches:
    """A clock that a batch moves on by `seconds`, and what came of it by batch."""

    def __init__(self, seconds: float) -> None:
        """Begin at nought."""
        self.seconds, self.now = seconds, 0.0

    def agreements(self, world: Pair, count: int) -> list[int]:
        """The numbers, from 1, of the batches after which the ranks agreed."""
        pace = Pace(world, SECONDS, lambda: self.now)
        agreed = []
        for batch in range(1, count + 1):
            self.now += self.seconds
            before = world.agreements
            pace.agree([False])
            agreed += [batch] * (world.agreements - before)
        return agreed


def test_alone_every_batch_is_one() -> None:
    """There is nobody to wait for, and a stop waits for one batch."""
    pace = Pace(ALONE)

    assert [pace.agree([flag, True]) for flag in (True, False)] == [(True, True), (False, True)]


@pytest.mark.parametrize("seconds", [0.2, 1.0, 60.0])
def test_slow_batches_are_each_followed_by_an_agreement(seconds: float) -> None:
    """A stop that waited for sixteen of a minute each would come too late for any grace period."""
    assert Batches(seconds).agreements(Pair(), 5) == [1, 2, 3, 4, 5]


def test_fast_batches_pass_many_at_a_time() -> None:
    """The interval doubles until an agreement comes about every quarter of a second."""
    agreed = Batches(2**-10).agreements(Pair(), 2000)

    assert [later - former for former, later in pairwise([0, *agreed])] == [
        *(1, 2, 4, 8, 16, 32, 64, 128),
        *[256] * 6,
    ]


def test_slowest_rank_sets_the_pace() -> None:
    """All ranks keep the least proposal, or they would not agree after the same batches."""
    assert Batches(0.001).agreements(Pair(others=3), 13) == [1, 3, 6, 9, 12]


def test_no_more_than_so_many_batches_pass_however_fast_they_are() -> None:
    """They may become slower at any time, and the next agreement is settled by then."""
    agreed = Batches(1e-6).agreements(Pair(), 2000)

    assert max(later - former for former, later in pairwise(agreed)) == MOST_BATCHES


def test_batches_that_become_slower_are_followed_sooner() -> None:
    """Such as after a pause, in which an epoch was judged."""
    batches, pair = Batches(0.001), Pair()
    pace = Pace(pair, SECONDS, lambda: batches.now)
    waits = []
    for seconds in [0.001] * 1000 + [0.5] * 400:
        batches.now += seconds
        before = pair.agreements
        pace.agree([False])
        waits += [pair.agreements - before]

    assert waits[-10:] == [1] * 10


def test_flag_of_another_rank_comes_through_at_the_agreement() -> None:
    """Of each flag by itself; none is set between."""
    pair = Pair(others=2, flag_of_other=True)
    pace = Pace(pair, SECONDS, lambda: 0.0)

    assert [pace.agree([False]) for _ in range(3)] == [(True,), (False,), (True,)]
