"""What a run has left in its folder, as far as it can be read: nothing here is trusted or required.

`metrics.json` is there if the run is finished. Without it the history, the ledger, the heartbeat
and the newest checkpoint tell how far it came, and how it ended or that it goes on.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from job import heartbeat
from job.errors import ExitCode, StalledError
from job.health import judge
from job.heartbeat import Beat
from job.process import is_gone
from job.reading import read_bounded
from job.record import AttemptRecord

RECORD: Final = "metrics.json"
HISTORY: Final = "metrics.jsonl"
LEDGER: Final = "attempts.jsonl"
CHECKPOINTS: Final = "checkpoints"
POINT: Final = "point.json"
# By any of these a folder is known as that of a run.
SIGNS: Final = (RECORD, HISTORY, LEDGER, heartbeat.FILE)
LIMIT_BYTES: Final = 2**24
State = Literal[
    "finished",
    "missed gate",
    "running",
    "stalled",
    "interrupted",
    "failed",
    "killed",
    "unreadable",
]


def writable(text: str) -> str:
    """`text` with escapes for what UTF-8 has no bytes for, as names of folders may have it."""
    return text.encode(errors="backslashreplace").decode()


Text = Annotated[str, AfterValidator(writable)]
Setting = bool | int | float | Text | None
# Far more than any run has, and little enough that sums and squares of it stay finite.
Number = Annotated[float, Field(ge=-1e100, le=1e100)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Lenient(BaseModel):
    """Takes what it knows, and leaves out what another version has added."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Epoch(_Lenient):
    """What is drawn of an epoch."""

    epoch: int = Field(ge=1, lt=2**31)
    train_loss: Number
    test_loss: Number
    test_accuracy: Share
    train_seconds: Number = 0.0
    images_per_second: Number | None = None


class _Setting(_Lenient):
    value: Setting = None


class _Evaluation(_Lenient):
    accuracy: Share
    loss: Number


class _Timings(_Lenient):
    training: Number | None = None


class _Device(_Lenient):
    name: Text | None = None


class _Record(_Lenient):
    settings: dict[Text, _Setting] = {}
    evaluation: _Evaluation
    history: list[Epoch] = []
    timings: _Timings = _Timings()
    device: _Device = _Device()
    images_per_second: Number | None = None


class _State(_Lenient):
    settings: dict[Text, Setting] = {}


class _Manifest(_Lenient):
    state: _State


class _Point(_Lenient):
    settings: dict[Text, Setting] = {}


LINES: Final = {
    HISTORY: TypeAdapter[Any](Epoch),
    LEDGER: TypeAdapter[Any](AttemptRecord),
}


@dataclass(frozen=True)
class Run:
    """A run as it lies there; None and empty for what it does not tell.

    `accuracy` and `loss` are of the test set: of a run that is not finished, of its last epoch.
    `swept` are the settings that its file as a point of a sweep names.
    """

    name: str
    folder: Path
    state: State
    exit_code: int | None = None
    settings: dict[str, Setting] = field(default_factory=dict)
    history: tuple[Epoch, ...] = ()
    accuracy: float | None = None
    loss: float | None = None
    training_seconds: float | None = None
    images_per_second: float | None = None
    device: str | None = None
    swept: frozenset[str] = frozenset()

    @property
    def is_done(self) -> bool:
        """Whether it was trained to its end, and its record can be read."""
        return self.state in ("finished", "missed gate")

    @property
    def told_state(self) -> str:
        """The state with the exit code that belongs to it."""
        shown = self.state in ("failed", "missed gate") and self.exit_code is not None
        return f"{self.state} ({self.exit_code})" if shown else self.state


def read_run(folder: Path, name: str) -> Run:
    """The run in `folder`; nothing that lies there can make this fail."""
    record = _read_model(folder / RECORD, _Record)
    attempts: list[AttemptRecord] = list(_lines(folder, LEDGER))
    code = attempts[-1].exit_code if attempts else None
    if record is not None:
        missed = code == ExitCode.QUALITY
        return _finished(folder, name, record, "missed gate" if missed else "finished", code)
    point = _settings_of_point(folder)
    history: tuple[Epoch, ...] = tuple(_lines(folder, HISTORY))
    last = history[-1] if history else None
    seconds = math.fsum(epoch.train_seconds for epoch in history)
    return Run(
        name=name,
        folder=folder,
        state=_state(folder, attempts),
        exit_code=code,
        settings=point | _settings_of_checkpoint(folder),
        history=history,
        accuracy=last.test_accuracy if last else None,
        loss=last.test_loss if last else None,
        training_seconds=seconds if last else None,
        images_per_second=last.images_per_second if last else None,
        swept=frozenset(point),
    )


def epochs_done(folder: Path) -> int:
    """How many epochs of the run in `folder` are durable."""
    return sum(1 for _ in _lines(folder, HISTORY))


def _finished(folder: Path, name: str, record: _Record, state: State, code: int | None) -> Run:
    return Run(
        name=name,
        folder=folder,
        state=state,
        exit_code=code,
        settings={key: setting.value for key, setting in record.settings.items()},
        history=tuple(record.history),
        accuracy=record.evaluation.accuracy,
        loss=record.evaluation.loss,
        training_seconds=record.timings.training,
        images_per_second=record.images_per_second,
        device=record.device.name,
        swept=frozenset(_settings_of_point(folder)),
    )


def _state(folder: Path, attempts: list[AttemptRecord]) -> State:
    beat = heartbeat.read(folder / heartbeat.FILE)
    if beat is not None and beat.phase != "ended":
        return _state_by(beat)
    code = attempts[-1].exit_code if attempts else None
    if not attempts or code == ExitCode.FINISHED:  # then the record should be there
        return "unreadable"
    if code is None:
        return "killed"
    return "interrupted" if code == ExitCode.INTERRUPTED else "failed"


def _state_by(beat: Beat) -> State:
    if is_gone(beat.process):
        return "killed"
    try:
        judge(beat)
    except (StalledError, OverflowError):  # a beat that was edited may be of any time
        return "stalled"
    return "running"


def _settings_of_checkpoint(folder: Path) -> dict[str, Setting]:
    try:
        newest = max((folder / CHECKPOINTS).glob("step-*/manifest.json"), default=None)
    except OSError:
        return {}
    manifest = _read_model(newest, _Manifest) if newest else None
    return manifest.state.settings if manifest else {}


def _settings_of_point(folder: Path) -> dict[str, Setting]:
    point = _read_model(folder / POINT, _Point)
    return point.settings if point else {}


def _read_model(path: Path, model: type[Any]) -> Any:
    """What the file says, or None."""
    try:
        return model.model_validate(json.loads(read_bounded(path, LIMIT_BYTES)))
    except (OSError, ValidationError, ValueError, RecursionError):
        return None


def _lines(folder: Path, name: str) -> Iterator[Any]:
    """Those lines of a file that can be read."""
    try:
        lines = read_bounded(folder / name, LIMIT_BYTES).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield LINES[name].validate_json(line)
        except ValidationError:
            continue
