"""What a report tells of a run, of which any part may be missing: finished, broken off or old."""

from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from job.errors import ExitCode
from job.record import (
    ArtifactRecord,
    AttemptRecord,
    DatasetRecord,
    DeviceRecord,
    EpochRecord,
    EvaluationRecord,
    GoodputRecord,
    GpuUseRecord,
    MistakeRecord,
    ModelRecord,
    RunRecord,
    SettingRecord,
    TimingsRecord,
)

Tone = Literal["pass", "warn", "fail", "skip"]
# (N, H, W) grey or (N, C, H, W), of the whole test set.
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Ending:
    """How a run ended, or that it has not, in a word or two, and whether that is good."""

    words: str
    tone: Tone


FINISHED: Final = Ending("finished", "pass")
RUNNING: Final = Ending("running", "skip")
KILLED: Final = Ending("killed", "fail")


@dataclass(frozen=True)
class Content:
    """The parts of a `RunRecord` by their names, empty or None where they are not known.

    `pictures` are data URIs by the image's index in the test set, `preflight` is the content of
    `preflight.json`, `notes` say what could not be read and why.
    """

    ending: Ending
    job_version: str | None = None
    finished_at: str | None = None
    settings: dict[str, SettingRecord] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    device: DeviceRecord | None = None
    dataset: DatasetRecord | None = None
    model: ModelRecord | None = None
    parameters: int | None = None
    history: list[EpochRecord] = field(default_factory=list)
    evaluation: EvaluationRecord | None = None
    timings: TimingsRecord | None = None
    images_per_second: float | None = None
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)
    artifacts: dict[str, ArtifactRecord] = field(default_factory=dict)
    attempts: list[AttemptRecord] = field(default_factory=list)
    goodput: GoodputRecord | None = None
    gpu_use: GpuUseRecord | None = None
    preflight: dict[str, Any] | None = None
    pictures: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def mistakes(self) -> list[MistakeRecord]:
        """The surest ones, none where they were not looked for."""
        return (self.evaluation and self.evaluation.confident_mistakes) or []


PARTS: Final = tuple(each.name for each in fields(Content) if each.name in RunRecord.model_fields)


def of_record(
    record: RunRecord, preflight: dict[str, Any] | None, test_images: Pixels | None = None
) -> Content:
    """All of a finished run, with the pictures of its mistakes from `test_images`."""
    parts = {name: getattr(record, name) for name in PARTS}
    mistakes = record.evaluation.confident_mistakes
    return Content(
        ending=ending_of_finished(record.settings, record.evaluation),
        preflight=preflight,
        pictures=draw_mistakes(mistakes or [], test_images),
        **parts,
    )


def read_parts(values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parts of a record that `values` has and this version can read, and notes on the rest."""
    parts: dict[str, Any] = {}
    notes = []
    for name in PARTS:
        if values.get(name) is None:
            continue
        kind = TypeAdapter(RunRecord.model_fields[name].rebuild_annotation())
        try:
            parts[name] = kind.validate_python(values[name])
        except ValidationError as error:
            notes.append(f"{name} cannot be read: {_first_line(error)}")
    return parts, tuple(notes)


def ending_of_finished(
    settings: dict[str, SettingRecord], evaluation: EvaluationRecord | None
) -> Ending:
    """A run that delivered has finished, and may have missed its quality gate all the same."""
    gate = settings["min_accuracy"].value if "min_accuracy" in settings else None
    if evaluation and isinstance(gate, int | float) and evaluation.accuracy < gate:
        return Ending("finished, quality gate missed", "fail")
    return FINISHED


def ending_of_code(code: int) -> Ending:
    """How an attempt ended by its exit code, as `job.errors` names it."""
    if code == ExitCode.FINISHED:
        return FINISHED
    known = code in set(ExitCode)
    words = ExitCode(code).name.lower().replace("_", " ") if known else f"ended with {code}"
    return Ending(words, "warn" if code == ExitCode.INTERRUPTED else "fail")


def draw_mistakes(mistakes: list[MistakeRecord], test_images: Pixels | None) -> dict[int, str]:
    """A picture of each of the images that `test_images` has."""
    from job.report.thumbnails import thumbnail  # noqa: PLC0415  # Pillow, only when it draws

    if test_images is None:
        return {}
    chosen = [mistake.index for mistake in mistakes if mistake.index < len(test_images)]
    return {index: thumbnail(test_images[index]) for index in chosen}


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
