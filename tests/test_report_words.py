"""Numbers and names read well."""

import pytest

from job.report.words import duration, moment, number, percent, plain, prose, sentence, size


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0\N{NO-BREAK SPACE}s"),
        (119.94, "119.9\N{NO-BREAK SPACE}s"),
        (120, "2 min 00 s"),
        (7199, "119 min 59 s"),
        (7200, "2 h 00 min"),
        (90_000, "25 h 00 min"),
        (float("inf"), "inf\N{NO-BREAK SPACE}s"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds: float, expected: str) -> None:
    """Nobody divides by sixty in the head."""
    assert expected == duration(seconds)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_678_912, "2.7 MB"), (9e15, "9000.0 TB")],
)
def test_sizes_take_the_unit_that_fits(count: int, expected: str) -> None:
    """Bytes are shown in the largest unit that leaves a digit before the point."""
    assert expected == size(count).replace("\N{NO-BREAK SPACE}", " ")


def test_numbers_are_said_as_people_write_them() -> None:
    """Thousands are grouped, fractions are per cent, true is true."""
    assert number(60_000) == "60,000"
    assert number(0.78434, 3) == "0.784"
    assert percent(0.70934, 2) == "70.93\N{NO-BREAK SPACE}%"
    assert [plain(True), plain(1e-3), plain(None), plain(None, "")] == [
        "true",
        "0.001",
        "not set",
        "",
    ]


def test_names_of_fields_become_prose() -> None:
    """No underscore reaches a reader of the timings."""
    assert prose("first_step") == "first step"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678+00:00", "2026-01-02 03:04:05 UTC"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05 UTC"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05"),
        ("once upon a time", "once upon a time"),
    ],
)
def test_moments_are_said_in_one_time_zone(text: str, expected: str) -> None:
    """What does not say its zone, or is no time, stays as it is."""
    assert expected == moment(text)


def test_sentences_begin_with_a_capital() -> None:
    """And nothing else of them changes."""
    assert [sentence("a bC"), sentence("")] == ["A bC", ""]
