"""Estimates are those of the textbooks, and what was measured is kept as it was."""

import json
import math
from pathlib import Path

import pytest
from measured import Estimate, accuracies_of_accurate, mean, milliseconds_on_gpu, ratio, read

from bench_numbers import measured_in


def test_interval_of_a_mean_is_students() -> None:
    """Three values have two degrees of freedom, whose quantile is 4.303."""
    found = mean([1.0, 2.0, 3.0])

    assert found is not None
    assert found.value == 2.0
    assert found.low == pytest.approx(2 - 4.303 / math.sqrt(3))
    assert found.high == pytest.approx(2 + 4.303 / math.sqrt(3))


def test_one_run_has_no_interval_and_no_run_no_mean() -> None:
    """Nothing is claimed that was not measured."""
    assert mean([5.0]) == Estimate(5.0)
    assert mean([]) is None
    assert ratio([]) is None


def test_ratio_turned_round_is_the_reciprocal() -> None:
    """It does not matter which of two contenders stands below the line."""
    pairs = [(2.0, 1.0), (8.0, 1.0), (4.0, 1.0)]
    found, turned = ratio(pairs), ratio((b, a) for a, b in pairs)

    assert found is not None
    assert turned is not None
    assert found.value == pytest.approx(4)
    assert turned.value == pytest.approx(1 / 4)
    assert turned.low == pytest.approx(1 / (found.high or 0))


def test_ratio_is_taken_within_rounds(tmp_path: Path) -> None:
    """What drifts with the machine does not widen it, and a round that lacks one is left out."""
    measured = measured_in(tmp_path)
    del measured.rounds[0]["runs"]["jax"]
    found = measured.ratio("jax", "job")

    assert found is not None
    assert found.value == pytest.approx(1.5 / 1.3)
    assert found.high == pytest.approx(found.low)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """A page can be made later of the numbers alone."""
    measured = measured_in(tmp_path / "new")
    measured.write()

    assert read(tmp_path / "new") == measured


def test_only_accuracies_on_the_test_set_count(tmp_path: Path) -> None:
    """The trials of the search on held-out images prove nothing of the recipe."""
    rows = [{"judged_on": "test", "accuracy": 0.9}, {"judged_on": "held-out", "accuracy": 0.5}]
    measured = measured_in(tmp_path)

    assert accuracies_of_accurate(measured) == []
    (tmp_path / "accurate.json").write_text(json.dumps(rows))
    assert accuracies_of_accurate(measured) == [0.9]


def test_numbers_of_a_gpu_name_their_device(tmp_path: Path) -> None:
    """They come from another machine than the rest."""
    told = {"device": "A GPU", "rows": [{"name": "a", "median_ms": 9.0}, {"name": "b", "note": ""}]}
    measured = measured_in(tmp_path)

    assert milliseconds_on_gpu(measured, "a") is None
    (tmp_path / "gpu.json").write_text(json.dumps(told))
    assert milliseconds_on_gpu(measured, "a") == Estimate(9.0, note="A GPU")
    assert milliseconds_on_gpu(measured, "b") is None


@pytest.mark.parametrize("content", [b"", b'{"rows": [', b"\xff", b"null", b"[1]", b"{}"])
def test_damaged_file_of_another_bench_was_not_measured(tmp_path: Path, content: bytes) -> None:
    """One that a full disk or a foreign hand cut off takes no other numbers with it."""
    measured = measured_in(tmp_path)
    for name in ("gpu.json", "accurate.json"):
        (tmp_path / name).write_bytes(content)

    assert milliseconds_on_gpu(measured, "a") is None
    assert accuracies_of_accurate(measured) == []
