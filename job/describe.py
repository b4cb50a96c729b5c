"""Turns what a run used and did into its record; asks versions, memory and the processor's name."""

import platform
import resource
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import torch

from job import __version__
from job.assemble import Trainee
from job.data.dataset import Dataset
from job.evaluate import Tally
from job.model import count_parameters
from job.preflight.result import Preflight
from job.record import (
    ArtifactRecord,
    AttemptRecord,
    ClassRecord,
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
from job.settings import Settings
from job.stopwatch import Stopwatch

PACKAGES: Final = ("torch", "torchvision", "numpy", "pydantic", "safetensors")


@dataclass(frozen=True)
class Facts:
    """All that a record is made from, but for the files."""

    settings: Settings
    fitness: Preflight
    dataset: Dataset
    trainee: Trainee
    tally: Tally
    mistakes: Sequence[MistakeRecord] = ()
    gpu_use: GpuUseRecord | None = None


def record(
    facts: Facts,
    artifacts: dict[str, ArtifactRecord],
    stopwatch: Stopwatch,
    attempts: list[AttemptRecord],
) -> RunRecord:
    """The record as things stand now."""
    history = facts.trainee.session.history
    training = sum(result.train_seconds for result in history)
    return RunRecord(
        job_version=__version__,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        settings=settings(facts.settings),
        versions=versions(),
        device=device(facts),
        dataset=dataset(facts.dataset),
        model=model(facts.trainee),
        parameters=count_parameters(facts.trainee.network),
        history=history,
        evaluation=evaluation(facts.tally, facts.dataset.classes, facts.mistakes),
        timings=timings(stopwatch, training, sum(result.test_seconds for result in history)),
        images_per_second=round(len(history) * facts.trainee.session.batches.images / training, 1),
        peak_memory_bytes=peak_memory(torch.device(facts.fitness.device)),
        artifacts=artifacts,
        attempts=attempts,
        goodput=goodput(history, attempts, stopwatch.total),
        gpu_use=facts.gpu_use,
    )


def goodput(
    history: Sequence[EpochRecord], attempts: Sequence[AttemptRecord], seconds: float
) -> GoodputRecord:
    """What became of the time of all attempts, of which the last has taken `seconds` so far."""
    productive = sum(result.train_seconds + result.test_seconds for result in history)
    elapsed = seconds + sum(attempt.seconds or 0.0 for attempt in attempts[:-1])
    return GoodputRecord(
        productive_seconds=round(productive, 3),
        elapsed_seconds=round(elapsed, 3),
        goodput=round(productive / elapsed, 4),
        lost_steps=sum(attempt.lost_steps or 0 for attempt in attempts[:-1]),
    )


def timings(stopwatch: Stopwatch, training: float, evaluation: float) -> TimingsRecord:
    """The seconds of each phase, to the microsecond."""
    phases = {name: stopwatch[name] for name in ("imports", "preflight", "data", "first_step")}
    phases |= {"training": training, "evaluation": evaluation}
    phases |= {"artifacts": stopwatch["artifacts"], "total": stopwatch.total}
    return TimingsRecord(**{name: round(seconds, 6) for name, seconds in phases.items()})


def device(facts: Facts) -> DeviceRecord:
    """What the run trained on."""
    place = facts.trainee.session.world.placement
    return DeviceRecord(
        type=facts.fitness.device,
        name=device_name(facts.fitness.device),
        reason=facts.fitness.device_reason,
        gpus=[asdict(gpu) for gpu in facts.fitness.gpus],
        step=facts.trainee.session.step.name,
        threads=torch.get_num_threads(),
        ranks=place.size,
        nodes=place.nodes,
    )


def device_name(kind: str) -> str:
    """The name that the maker gave to the GPU or the processor."""
    if kind == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().split("model name\t: ")[1:] if cpuinfo.exists() else []
    return names[0].splitlines()[0] if names else platform.machine()


def settings(values: Settings) -> dict[str, SettingRecord]:
    """Every setting with its origin."""
    origins = values.origins
    return {
        name: SettingRecord(value=value, origin=origins[name])
        for name, value in values.model_dump(mode="json").items()
    }


def versions() -> dict[str, str]:
    """Versions of Python, of the packages that matter, and of the CUDA they were built for."""
    found = {"python": platform.python_version(), "cuda": torch.version.cuda or "none"}
    return found | {name: _version(name) for name in PACKAGES}


def dataset(read: Dataset) -> DatasetRecord:
    """Which data a run has seen."""
    return DatasetRecord(
        name=read.name,
        train_images=len(read.train_labels),
        test_images=len(read.test_labels),
        sha256=read.digests,
        shape=read.shape,
    )


def model(trainee: Trainee) -> ModelRecord:
    """Which network a run has trained."""
    start = trainee.start
    return ModelRecord(
        name=trainee.wanted.name,
        weights=None if start is None else trainee.wanted.weights or str(start.path),
        weights_sha256=None if start is None else start.sha256,
    )


def evaluation(
    tally: Tally, class_names: Iterable[str], mistakes: Sequence[MistakeRecord] = ()
) -> EvaluationRecord:
    """The tally's sums as the ratios that people read."""
    rows = zip(
        class_names, tally.precision, tally.recall, tally.f1, tally.confusion.sum(1), strict=True
    )
    return EvaluationRecord(
        images=tally.images,
        loss=tally.loss,
        accuracy=tally.accuracy,
        classes=[
            ClassRecord(name=name, precision=precision, recall=recall, f1=f1, images=int(images))
            for name, precision, recall, f1, images in rows
        ],
        confusion=tally.confusion.tolist(),
        confident_mistakes=list(mistakes),
    )


def peak_memory(device: torch.device) -> dict[Literal["host", "device"], int]:
    """Most bytes that the process, and on a GPU its allocator, held at once."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts KiB on Linux only
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {"host": host, "device": on_device}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
