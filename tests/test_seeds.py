"""Claims about `job.seeds`."""

import itertools

import pytest

from job.seeds import Purpose, derive


@pytest.mark.parametrize(
    ("arguments", "seed"),
    [
        ((0, Purpose.ORDER, 0), 7_896_617_691_693_857_887),
        ((0, Purpose.FLIPS, 1), 1_554_199_118_406_742_183),
        ((2**63 - 1, Purpose.DROPOUT, 9_380), 2_334_968_030_082_128_444),
    ],
)
def test_derived_seeds_are_the_same_everywhere(
    arguments: tuple[int, Purpose, int], seed: int
) -> None:
    """A checkpoint of another machine or an older version goes on with the same numbers."""
    assert derive(*arguments) == seed


def test_seed_depends_on_nothing_that_happened_before() -> None:
    """Asked in any order, for any number of times, the answer is the same."""
    forwards = [derive(3, Purpose.ORDER, index) for index in range(20)]
    backwards = [derive(3, Purpose.ORDER, index) for index in reversed(range(20))]
    assert forwards == backwards[::-1]


def test_seeds_of_neighbours_differ() -> None:
    """No two of seed, purpose and index share a stream of random numbers."""
    neighbours = itertools.product(range(10), Purpose, range(50))
    assert len({derive(*each) for each in neighbours}) == 10 * len(Purpose) * 50


def test_torch_takes_every_derived_seed() -> None:
    """All are in [0, 2**63), and use the whole of it."""
    seeds = [derive(seed, Purpose.DROPOUT, 0) for seed in range(200)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62 > min(seeds)


def test_purposes_keep_their_numbers() -> None:
    """They are part of every result that was ever reported."""
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        "ORDER": 0,
        "FLIPS": 1,
        "DROPOUT": 2,
    }
