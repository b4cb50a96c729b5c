"""The bench takes turns, loses nothing when it is cut off, and publishes only what is whole."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import compare
import page
import pytest
from compare import measure
from lineup import MEANING
from measured import Measured, read

from bench_numbers import BESIDE, MACHINE, SECONDS, measured_in

NAMES = ["a", "b", "c"]


class Runs:
    """Stands for the processes that a bench starts; fails at the `fatal`-th."""

    def __init__(self, fatal: int | None = None) -> None:
        """Start with none."""
        self.order: list[str] = []
        self._fatal = fatal

    def __call__(self, name: str) -> dict[str, Any]:
        """Tell some seconds."""
        self.order.append(name)
        if len(self.order) == self._fatal:
            raise KeyboardInterrupt
        return {"seconds": 1.0}


def test_contenders_take_turns_there_and_back(tmp_path: Path) -> None:
    """What drifts within a round has no favourite."""
    runs, measured = Runs(), Measured(tmp_path, MACHINE)
    measure(measured, NAMES, 3, runs)

    assert "".join(runs.order) == "abccbaabc"
    assert [sorted(found["runs"]) for found in measured.rounds] == 3 * [NAMES]


def test_bench_that_is_cut_off_keeps_its_whole_rounds(tmp_path: Path) -> None:
    """Numbers are written after every round."""
    measured = Measured(tmp_path, MACHINE)
    with pytest.raises(KeyboardInterrupt):
        measure(measured, NAMES, 3, Runs(fatal=5), measured.write)

    (kept,) = read(tmp_path).rounds
    assert kept["runs"].keys() == set(NAMES)
    assert kept["noise"].keys() == {"load_before", "load_after", "steal_percent"}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The results and the page, where no earlier ones are."""
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    monkeypatch.setattr(compare, "PAGE", tmp_path / "performance.md")
    return tmp_path, tmp_path / "performance.md"


def test_page_is_made_anew_from_the_numbers(places: tuple[Path, Path]) -> None:
    """A reason that is written down later needs no new measurement."""
    results, written = places
    measured = measured_in(results)
    measured.write()
    compare.main(["--page"])

    assert written.read_text() == page.page(measured)
    assert (results / "speed.svg").read_text().startswith("<?xml")


def test_whole_bench_writes_numbers_picture_and_page(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every contender in every round, and the accuracy in bf16 once."""
    told = []

    def run(name: str) -> dict[str, Any]:
        told.append(name)
        return {"seconds": SECONDS.get(name, 1.0), "accuracy": 0.7, **BESIDE.get(name, {})}

    monkeypatch.setattr(compare, "_runner", lambda: nullcontext(run))
    compare.main(["2"])
    kept = read(places[0])

    assert sorted(told) == sorted([*MEANING, *MEANING, "job-whole-bf16"])
    assert [found["runs"].keys() for found in kept.rounds] == 2 * [MEANING.keys()]
    assert kept.bf16_accuracy == 0.7
    assert places[1].read_text() == page.page(kept)
    assert (places[0] / "speed.svg").exists()


def test_partial_bench_prints_and_writes_nothing(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A page has everyone in it or is not written."""
    compare.main(["1", "--only", "explain"])
    printed = capsys.readouterr().out

    assert "1/1 explain" in printed
    assert "| `python -m job explain` |" in printed
    assert list(places[0].iterdir()) == []


def test_whole_bench_prints_the_bars_last(tmp_path: Path) -> None:
    """What the project promised is what the eye falls on."""
    whole = compare.summary(measured_in(tmp_path), whole=True)

    assert whole.rindex("epoch, JAX / the job") > whole.rindex("| JAX, the epoch")
    assert "epoch, JAX / the job" not in compare.summary(measured_in(tmp_path), whole=False)


def test_contender_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name is seen before anything is measured."""
    with pytest.raises(SystemExit):
        compare.main(["--only", "jaxx"])

    assert "jaxx is none of tutorial, job" in capsys.readouterr().err
