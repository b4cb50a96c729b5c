"""Claims about `job.record`."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from job import record
from job.record import AttemptRecord, EpochRecord, RunRecord, SettingRecord
from report_records import run_record

ROOT = Path(__file__).parents[1]
# What programs of users read.
RUN = {
    "schema_version",
    "job_version",
    "finished_at",
    "settings",
    "versions",
    "device",
    "dataset",
    "model",
    "parameters",
    "history",
    "evaluation",
    "timings",
    "images_per_second",
    "peak_memory_bytes",
    "artifacts",
    "attempts",
    "goodput",
    "gpu_use",
}
LINE = {
    "epoch",
    "step",
    "train_loss",
    "train_seconds",
    "images_per_second",
    "test_loss",
    "test_accuracy",
}
PHASES = {
    "imports",
    "preflight",
    "data",
    "first_step",
    "training",
    "evaluation",
    "artifacts",
    "total",
}


def test_record_has_all_that_was_promised() -> None:
    """The fields of `metrics.json`, of a line of `metrics.jsonl`, and every phase."""
    assert RunRecord.model_fields.keys() == RUN
    assert EpochRecord.model_fields.keys() >= LINE
    assert record.TimingsRecord.model_fields.keys() == PHASES


def test_record_equals_itself_through_json() -> None:
    """What was written is what is read back."""
    written = run_record()
    text = json.dumps(written.model_dump(mode="json"), allow_nan=False)

    assert RunRecord.model_validate_json(text) == written
    assert json.loads(text)["schema_version"] == 1


def test_record_of_another_schema_is_refused() -> None:
    """A reader that does not know a version does not guess."""
    with pytest.raises(ValidationError, match="schema_version"):
        run_record(schema_version=2)


@pytest.mark.parametrize("value", [True, 1, 1.0, "1", "true", None, 0.1])
def test_value_of_a_setting_keeps_its_type(value: object) -> None:
    """True is not 1, and 1 is not "1", on either side of JSON."""
    kept = SettingRecord(value=value, origin="flag")
    read = SettingRecord.model_validate_json(kept.model_dump_json())

    assert (type(read.value), read.value) == (type(value), value)


def test_origin_is_one_of_four() -> None:
    """A value comes from nowhere else."""
    for origin in ("default", "recipe", "environment", "flag"):
        assert SettingRecord.model_validate({"value": 1, "origin": origin}).origin == origin
    with pytest.raises(ValidationError):
        SettingRecord.model_validate({"value": 1, "origin": "guess"})


@pytest.mark.parametrize("change", [{"surplus": 1}, {"history": None}, {"parameters": "many"}])
def test_what_does_not_belong_is_refused(change: dict[str, Any]) -> None:
    """Neither a field too many nor one of another type gets into a file."""
    with pytest.raises(ValidationError):
        run_record(**change)


def test_record_cannot_be_changed() -> None:
    """A fact is a fact."""
    with pytest.raises(ValidationError, match="frozen"):
        run_record().parameters = 1  # type: ignore[misc]  # that is the point


def test_attempt_is_taken_for_unfinished() -> None:
    """Until it says otherwise."""
    attempt = AttemptRecord(attempt=1, node="here", started_at="now")
    assert (attempt.ended, attempt.exit_code, attempt.step) == (None, None, None)


def test_record_of_before_goodput_samples_and_mistakes_can_be_read() -> None:
    """What came later is None in what was written earlier."""
    written = run_record().model_dump(mode="json")
    del written["goodput"], written["gpu_use"], written["evaluation"]["confident_mistakes"]
    read = RunRecord.model_validate(written)

    assert (read.goodput, read.gpu_use, read.evaluation.confident_mistakes) == (None, None, None)


def test_schema_describes_every_part() -> None:
    """It is JSON, refuses what is surplus, and lists the fields that must be there."""
    schema = json.loads(json.dumps(RunRecord.model_json_schema()))

    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == RUN - {"schema_version", "model", "goodput", "gpu_use"}
    assert schema["properties"].keys() == RUN
    assert schema["properties"]["schema_version"]["const"] == 1
    assert "last step" in schema["$defs"]["AttemptRecord"]["properties"]["step"]["description"]
