"""What earlier attempts have left on the volume, and whether it is of the same training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from job import artifacts, checkpoint, files
from job.checkpoint import Checkpoint
from job.errors import SettingsError
from job.record import RunRecord
from job.session import CHECKPOINTS, HISTORY, Session
from job.settings import Settings

# A run that says nothing of these is of the time before they could be chosen.
BEFORE_THEY_WERE_SETTINGS: Final = {"model": "mlp", "dataset": "fashion-mnist"}


def finished_run(settings: Settings) -> RunRecord | None:
    """Return the record of the run if it was finished, is whole, and nobody wants it anew.

    Raises `SettingsError` if it was one of other settings.
    """
    if settings.resume == "never":
        return None
    record = artifacts.read_record(settings.output_dir)
    if record is not None:
        before = {name: setting.value for name, setting in record.settings.items()}
        _require_same_training(before, settings.training_values(), settings, "a finished run")
        if damaged := artifacts.damaged_weights(record, settings.output_dir):
            structlog.get_logger().warning("finished, but damaged: delivering anew", files=damaged)
            return None
    return record


def find_checkpoint(settings: Settings, session: Session | None = None) -> Checkpoint | None:
    """Return the checkpoint to go on from, None to begin.

    The `session` that is to go on knows how large it may be, and digests of what it depends on.
    Raises `SettingsError` for one of other settings, and for none if one is required.
    """
    if settings.resume == "never":
        _forget(settings)
    limit = checkpoint.LIMIT_BYTES if session is None else session.payload_limit_bytes
    found = checkpoint.latest(_checkpoints(settings), limit)
    if found is not None:
        values = settings.training_values() if session is None else session.settings
        _require_same_training(found.state.settings, values, settings, "a checkpoint")
    elif settings.resume == "required":
        raise SettingsError(
            f"JOB_RESUME=required, and {_checkpoints(settings)} has no whole checkpoint",
            fix="set JOB_OUTPUT_DIR to the folder of the earlier run, or JOB_RESUME=auto",
        )
    return found


def newest_checkpoint(settings: Settings) -> Path | None:
    """Return the folder of the newest checkpoint, whole or not."""
    return checkpoint.newest(_checkpoints(settings))


def newest_step(settings: Settings) -> int | None:
    """Return the step of that checkpoint, None for none."""
    newest = newest_checkpoint(settings)
    return None if newest is None else checkpoint.step_of(newest)


def _forget(settings: Settings) -> None:
    files.remove_file(settings.output_dir / artifacts.RECORD)
    files.remove_file(settings.output_dir / HISTORY)
    files.remove_folder(_checkpoints(settings))


def _require_same_training(
    before: Mapping[str, object], now: Mapping[str, object], settings: Settings, what: str
) -> None:
    before = {**BEFORE_THEY_WERE_SETTINGS, **before}
    differing = [
        f"{name} is {value}, was {before.get(name)}"
        for name, value in now.items()
        if before.get(name) != value
    ]
    if differing:
        raise SettingsError(
            f"{settings.output_dir} has {what} of other settings: {'; '.join(differing)}",
            allowed="the settings that it was begun with",
            fix="set these back, set JOB_OUTPUT_DIR to another folder, or JOB_RESUME=never",
        )


def _checkpoints(settings: Settings) -> Path:
    return settings.output_dir / CHECKPOINTS
