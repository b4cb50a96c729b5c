"""What a report tells, of whole records and of others."""

from typing import Any

import pytest

from job.record import SettingRecord
from job.report.content import (
    FINISHED,
    Content,
    Ending,
    draw_mistakes,
    ending_of_code,
    ending_of_finished,
    of_record,
    read_parts,
)
from report_records import PREFLIGHT, TEST_IMAGES, evaluation, full_record


def test_whole_record_gives_every_part_and_no_note() -> None:
    """What a finished run has written down is all there."""
    record = full_record()
    content = of_record(record, PREFLIGHT, TEST_IMAGES)
    parts, notes = read_parts(record.model_dump(mode="json"))

    assert notes == ()
    assert parts == {name: getattr(content, name) for name in parts}
    assert parts.keys() == set(type(record).model_fields) - {"schema_version"}
    assert content.preflight == PREFLIGHT
    assert content.pictures.keys() == {4, 17}


@pytest.mark.parametrize("name", ["timings", "device", "evaluation", "history", "attempts"])
def test_part_that_cannot_be_read_costs_a_note_and_no_other_part(name: str) -> None:
    """A record of another version, or an edited one, still has what can be understood."""
    values = full_record().model_dump(mode="json") | {name: {"unknown": 1}}
    parts, notes = read_parts(values)

    assert name not in parts
    assert len(parts) == len(values) - 2  # without it and the version
    assert len(notes) == 1
    assert notes[0].startswith(f"{name} cannot be read")


def test_part_that_is_not_there_is_left_out_without_a_word() -> None:
    """The sections of the page say what they lack."""
    assert read_parts({"goodput": None, "strange": 1}) == ({}, ())


@pytest.mark.parametrize(
    ("gate", "ending"),
    [(None, FINISHED), (0.7, FINISHED), (1, Ending("finished, quality gate missed", "fail"))],
)
def test_run_below_its_quality_gate_is_said_to_be(gate: Any, ending: Ending) -> None:
    """It has delivered everything, and is no success all the same."""
    settings = {"min_accuracy": SettingRecord(value=gate, origin="flag")}

    assert ending_of_finished(settings, evaluation()) == ending


def test_run_without_settings_or_evaluation_has_finished() -> None:
    """An old record is not blamed for what it lacks."""
    assert ending_of_finished({}, None) == FINISHED


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        (0, FINISHED),
        (75, Ending("interrupted", "warn")),
        (83, Ending("no progress", "fail")),
        (137, Ending("ended with 137", "fail")),
    ],
)
def test_exit_codes_are_endings_in_words(code: int, ending: Ending) -> None:
    """An interruption is no failure, and a code that nobody knows is shown as it is."""
    assert ending_of_code(code) == ending


def test_mistake_of_another_test_set_has_no_picture() -> None:
    """An index beyond the images is left out; without images there is nothing to draw."""
    mistakes = of_record(full_record(), None).mistakes

    assert draw_mistakes(mistakes, TEST_IMAGES[:5]).keys() == {4}
    assert draw_mistakes(mistakes, None) == {}


def test_content_without_an_evaluation_has_no_mistakes() -> None:
    """Nothing has been judged."""
    assert Content(FINISHED).mistakes == []
