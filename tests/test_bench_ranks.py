"""The bench of several ranks measures real ones, side by side, and loses no round."""

import json
from pathlib import Path

import pytest
from rank_loop import EXCHANGED_BYTES, measure
from ranks import SIZES, Times, run_world
from ranks import measure as measure_rounds

EXCHANGES = {f"exchange {size}" for size in EXCHANGED_BYTES}


@pytest.mark.parametrize(("size", "names"), [(1, {"eager", "fused"}), (2, {"shared", "ddp"})])
def test_ranks_tell_how_long_each_contender_takes(
    size: int, names: set[str], real_data_dir: Path
) -> None:
    """Started as the launcher does it; with one rank there is nothing to exchange."""
    told = run_world(size, real_data_dir, windows=2, steps=16)

    assert told.keys() == names | (EXCHANGES if size > 1 else set())
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in told.values())


def test_rank_that_fails_ends_the_bench(real_data_dir: Path) -> None:
    """A number that is missing is not made up."""
    with pytest.raises(SystemExit, match=r"1 ranks: exit codes \[1\]"):
        run_world(1, real_data_dir, steps=0)


def test_contenders_take_turns_and_the_first_window_is_not_counted() -> None:
    """Whoever is first in one window is last in the next, so that a drift hits both."""
    turns: list[str] = []

    def contender(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    told = measure({"a": lambda: contender("a"), "b": lambda: contender("b")}, windows=2)

    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert told == {"a": [4.0, 5.0], "b": [3.0, 6.0]}


def test_rounds_are_kept_one_by_one_and_sizes_take_turns(tmp_path: Path) -> None:
    """A bench that is cut off has what it measured; every second round begins with the most."""
    path, asked = tmp_path / "new" / "ranks.json", []

    def run(size: int) -> Times:
        asked.append(size)
        if len(asked) > 2 * len(SIZES):
            raise KeyboardInterrupt
        return {"shared": [0.001 * size]}

    with pytest.raises(KeyboardInterrupt):
        measure_rounds(path, 3, run)

    assert asked[:-1] == [*SIZES, *reversed(SIZES)]
    rounds = json.loads(path.read_text())["rounds"]
    assert [found["worlds"]["4"] for found in rounds] == [{"shared": [0.004]}] * 2
