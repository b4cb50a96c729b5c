"""What the samples of a GPU come to."""

import pytest

from job.report.gpu import highest, measures, throttled_seconds, throttling
from report_records import gpu_sample, gpu_use


def test_measures_are_in_the_units_that_people_use() -> None:
    """Per cent, gigabytes, watts, megahertz, degrees."""
    known = measures(gpu_use(2))

    assert {name: [each.unit, *each.values] for name, each in known.items()} == {
        "utilisation": ["%", 0, 15],
        "memory_bytes": ["GB", 2, 2],
        "watts": ["W", 120, 125],
        "sm_clock": ["MHz", 1980, 1980],
        "memory_clock": ["MHz", 2619, 2619],
        "celsius": ["°C", 40, 40.5],
    }
    assert list(known["watts"].seconds) == [0, 0.5]
    assert known["watts"].mean == 122.5


def test_gaps_count_for_nothing_and_silent_measures_are_left_out() -> None:
    """A mean is of what was told."""
    samples = [gpu_sample(watts=None, celsius=None), gpu_sample(watts=50, celsius=None)]
    known = measures(gpu_use().model_copy(update={"samples": samples}))

    assert list(known["watts"].values) == [None, 50]
    assert known["watts"].mean == highest([known["watts"]]) == 50
    assert "celsius" not in known


def test_reasons_of_throttling_come_with_their_share_of_the_samples() -> None:
    """The most frequent first."""
    samples = [gpu_sample(throttling=each) for each in (["a"], ["a", "b"], ["a"], [])]
    use = gpu_use().model_copy(update={"samples": samples})

    assert throttling(use) == pytest.approx({"a": 0.75, "b": 0.25})
    assert next(iter(throttling(use))) == "a"
    assert throttled_seconds(gpu_use(6)) == [0, 1.5]
