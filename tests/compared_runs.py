"""Folders of runs, as jobs leave them, for tests that compare them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from job.heartbeat import Beat
from job.process import this_process
from job.record import AttemptRecord, EvaluationRecord, RunRecord, SettingRecord
from report_records import epoch, run_record


def finished(folder: Path, accuracy: float, *, code: int = 0, **settings: Any) -> Path:
    """The folder of a run that is finished, with these settings."""
    evaluation = run_record().evaluation.model_dump() | {"accuracy": accuracy, "loss": 1 - accuracy}
    record = run_record(
        evaluation=EvaluationRecord(**evaluation),
        settings={key: SettingRecord(value=each, origin="flag") for key, each in settings.items()},
    )
    leave(folder, record=record, attempts=[attempt(exit_code=code)])
    return folder


def leave(
    folder: Path,
    *,
    record: RunRecord | None = None,
    epochs: int = 0,
    attempts: list[AttemptRecord] | None = None,
    settings: dict[str, Any] | None = None,
) -> Path:
    """A folder with these files of a run; `settings` go into its newest checkpoint."""
    folder.mkdir(parents=True)
    if record is not None:
        (folder / "metrics.json").write_text(record.model_dump_json())
    if epochs:
        lines = [epoch(number).model_dump_json() for number in range(1, epochs + 1)]
        (folder / "metrics.jsonl").write_text("\n".join(lines))
    if attempts is not None:
        lines = [each.model_dump_json() for each in attempts]
        (folder / "attempts.jsonl").write_text("\n".join(lines))
    if settings is not None:
        checkpoint = folder / "checkpoints" / "step-00000010"
        checkpoint.mkdir(parents=True)
        (checkpoint / "manifest.json").write_text(json.dumps({"state": {"settings": settings}}))
    return folder


def attempt(**facts: Any) -> AttemptRecord:
    """An attempt that ended as these facts say."""
    return AttemptRecord(
        **{"attempt": 1, "node": "node-1", "started_at": "2026-01-02T03:00:00Z", **facts}
    )


def beat(folder: Path, **facts: Any) -> None:
    """A sign of life, of this process if nothing else is said."""
    told: dict[str, Any] = {
        "attempt": 1,
        "phase": "training",
        "step": 5,
        "idle_seconds": 0.0,
        "allowed_seconds": 300.0,
        "seconds": 9.0,
        "time": datetime.now(UTC),
        "uptime_seconds": monotonic(),
        "process": this_process(),
    }
    (folder / "heartbeat.json").write_text(Beat(**(told | facts)).model_dump_json())
