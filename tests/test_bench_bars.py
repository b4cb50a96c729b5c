"""A bar is met, missed or not measured, and the table says which."""

import json
from pathlib import Path

import pytest
from bars import BARS, Bar
from measured import Estimate, Measured

from bench_numbers import measured_in


def bar_of(value: Estimate | None, *, at_most: bool = False) -> Bar:
    """A bar of 4 with a stretch of 5, or of 2 the other way, and `value` measured."""
    stretch = 2 if at_most else 5
    return Bar("what", 4, stretch, "{:.1f}×", lambda _: value, at_most=at_most)


def named(start: str) -> Bar:
    """The one bar of the project that begins so."""
    (found,) = [bar for bar in BARS if bar.what.startswith(start)]
    return found


def value_of(bar: Bar, measured: Measured) -> float:
    """What was measured, which must be there."""
    found = bar.measure(measured)
    assert found is not None
    return found.value


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [
        (5.0, False, "stretch met"),
        (4.0, False, "met"),
        (3.99, False, "missed"),
        (2.0, True, "stretch met"),
        (4.0, True, "met"),
        (4.01, True, "missed"),
    ],
)
def test_verdict_compares_with_bar_and_stretch(
    tmp_path: Path, value: float, at_most: bool, verdict: str
) -> None:
    """Some are to be reached from below and some from above."""
    bar = bar_of(Estimate(value), at_most=at_most)

    assert bar.verdict(measured_in(tmp_path)) == verdict
    assert bar.missed(measured_in(tmp_path)) == (verdict == "missed")


def test_bar_inside_the_interval_is_no_certain_verdict(tmp_path: Path) -> None:
    """What may be noise is called so."""
    measured = measured_in(tmp_path)

    assert bar_of(Estimate(4.2, 3.9, 4.5)).verdict(measured) == "met, but not for certain"
    assert bar_of(Estimate(3.9, 3.7, 4.1)).verdict(measured) == "missed, but not for certain"
    assert bar_of(Estimate(4.2, 4.1, 4.3)).verdict(measured) == "met"


def test_stretch_inside_the_interval_is_no_certain_verdict(tmp_path: Path) -> None:
    """What is said of the bar is said of the stretch."""
    measured = measured_in(tmp_path)
    below = bar_of(Estimate(1.9, 1.7, 2.1), at_most=True)

    assert bar_of(Estimate(5.2, 4.9, 5.5)).verdict(measured) == "stretch met, but not for certain"
    assert below.verdict(measured) == "stretch met, but not for certain"
    assert bar_of(Estimate(5.2, 5.1, 5.3)).verdict(measured) == "stretch met"
    assert bar_of(Estimate(4.9, 4.5, 5.3)).verdict(measured) == "met"


def test_bars_of_the_gpu_name_the_step_that_they_are_of() -> None:
    """It is not the one that `auto` takes there, as long as no GPU has seen it."""
    names = [bar.what for bar in BARS if "H100" in bar.what]

    assert len(names) == 3
    assert all("`JOB_STEP=graph`" in name for name in names)


def test_what_was_not_measured_is_neither_met_nor_missed(tmp_path: Path) -> None:
    """An empty row stays empty."""
    bar = bar_of(None)

    assert bar.verdict(measured_in(tmp_path)) == "not measured"
    assert bar.found(measured_in(tmp_path)) == "-"
    assert not bar.missed(measured_in(tmp_path))


def test_interval_and_note_are_written_with_the_value(tmp_path: Path) -> None:
    """The unit of the bar is that of what was measured."""
    bar = bar_of(Estimate(4.25, 4.0, 4.5, "noted"))

    assert bar.found(measured_in(tmp_path)) == "4.2× (4.0× to 4.5×), noted"
    assert bar.limit(bar.bar) == "≥ 4.0×"
    assert bar.limit(None) == "-"


def test_bench_fills_every_row_of_the_processor(tmp_path: Path) -> None:
    """Only the rows that another command fills are empty after it."""
    measured = measured_in(tmp_path)
    empty = [bar for bar in BARS if bar.measure(measured) is None]

    assert {bar.command for bar in empty} == {bar.command for bar in BARS} - {"make bench"}
    assert all(bar.command != "make bench" for bar in empty)


def test_nothing_measured_leaves_every_row_empty(tmp_path: Path) -> None:
    """A bench that was cut off in its first round still has a table."""
    assert {bar.verdict(Measured(tmp_path, {})) for bar in BARS} == {"not measured"}


def test_nearest_rival_is_the_fastest_of_the_others(tmp_path: Path) -> None:
    """The bar is against every one of them, so it is told of the one that comes closest."""
    found = named("epoch, every other rival").measure(measured_in(tmp_path, sklearn=1.95))

    assert found is not None
    assert found.value == pytest.approx(1.5)
    assert "scikit-learn" in found.note


def test_time_to_accuracy_is_ten_epochs_of_the_quickstart(tmp_path: Path) -> None:
    """Ten of its epochs of 6 s are 240 times a quarter of a second."""
    bar = named("10 epochs of the quickstart")

    assert value_of(bar, measured_in(tmp_path)) == pytest.approx(240)


def test_shares_are_per_cent_of_the_job(tmp_path: Path) -> None:
    """The roofline takes 1.17 s of the job's 1.3, the evaluation's 0.03 of its 0.05."""
    measured = measured_in(tmp_path)
    evaluation = named("evaluation").measure(measured)

    assert value_of(named("share of the roofline by torch.mm"), measured) == pytest.approx(90)
    assert evaluation is not None
    assert "60 % of the roofline" in evaluation.note


def test_accuracy_in_bf16_may_differ_either_way(tmp_path: Path) -> None:
    """It is the distance that counts, in points."""
    bar, measured = named("bf16, accuracy"), measured_in(tmp_path)
    assert value_of(bar, measured) == pytest.approx(0.10)

    measured.bf16_accuracy = 0.7132
    assert value_of(bar, measured) == pytest.approx(0.36)
    assert bar.verdict(measured) == "missed"


def test_speed_in_bf16_is_told_with_the_want_of_instructions(tmp_path: Path) -> None:
    """The bar is for cores that have them."""
    bar, measured = named("epoch, the job in fp32 / in bf16"), measured_in(tmp_path)
    assert "without bf16 instructions" in bar.found(measured)

    measured.machine = {"instruction_sets": ["avx2", "amx_bf16"]}
    assert bar.found(measured) == "1.44× (1.44× to 1.44×)"


def test_rows_of_the_gpu_are_read_in_their_units(tmp_path: Path) -> None:
    """bench/gpu.py tells milliseconds; two of the bars are of seconds."""
    rows = {
        "epoch, graph fp32": 30,
        "10 epochs and evaluations, graph": 400,
        "whole job, graph": 3e3,
    }
    told = {"device": "A GPU", "rows": [{"name": n, "median_ms": ms} for n, ms in rows.items()]}
    (tmp_path / "gpu.json").write_text(json.dumps(told))
    found = [bar.found(measured_in(tmp_path)) for bar in BARS if bar.what.startswith("one H100")]

    assert found == ["30.0 ms, A GPU", "0.40 s, A GPU", "3.00 s, A GPU"]


def test_accurate_tells_its_seeds(tmp_path: Path) -> None:
    """A mean without their number would say little."""
    rows = [{"judged_on": "test", "accuracy": value} for value in (0.905, 0.907)]
    (tmp_path / "accurate.json").write_text(json.dumps(rows))
    found = named("`accurate`").measure(measured_in(tmp_path))

    assert found is not None
    assert found.value == pytest.approx(90.6)
    assert found.note == "2 seeds"
