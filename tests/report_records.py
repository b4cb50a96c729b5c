"""A record of a run that was interrupted once, small enough to check by eye."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from job.record import (
    ArtifactRecord,
    AttemptRecord,
    ClassRecord,
    DatasetRecord,
    DeviceRecord,
    EpochRecord,
    EvaluationRecord,
    GoodputRecord,
    GpuSampleRecord,
    GpuUseRecord,
    MistakeRecord,
    ModelRecord,
    RunRecord,
    SettingRecord,
    TimingsRecord,
)

PREFLIGHT: dict[str, Any] = {
    "checks": [
        {"name": "nvidia-smi", "verdict": "pass", "seen": "found", "remedy": "", "seconds": 0.1},
        {"name": "driver", "verdict": "warn", "seen": "575", "remedy": "update it", "seconds": 0.1},
    ]
}

TEST_IMAGES: Final[NDArray[np.uint8]] = np.arange(18 * 28 * 28, dtype=np.uint8).reshape(18, 28, 28)


def run_record(**changes: Any) -> RunRecord:
    """The record with some of its parts replaced."""
    parts: dict[str, Any] = {
        "job_version": "0.1.0",
        "finished_at": "2026-01-02T03:04:05Z",
        "settings": {
            "epochs": SettingRecord(value=3, origin="recipe"),
            "learning_rate": SettingRecord(value=0.25, origin="flag"),
            "nesterov": SettingRecord(value=False, origin="environment"),
            "min_accuracy": SettingRecord(value=None, origin="default"),
        },
        "versions": {"torch": "2.14.1"},
        "device": device(),
        "dataset": DatasetRecord(
            name="Fashion-MNIST", train_images=60_000, test_images=18, sha256={"labels": "ab" * 32}
        ),
        "model": ModelRecord(name="mlp", weights="begun<.pth", weights_sha256="ef" * 32),
        "parameters": 669_706,
        "history": [epoch(number) for number in (1, 2, 3)],
        "evaluation": evaluation(),
        "timings": timings(),
        "images_per_second": 28_301.2,
        "peak_memory_bytes": {"host": 812_345_678},
        "artifacts": {"model.pth": ArtifactRecord(bytes=2_681_234, sha256="cd" * 32)},
        "attempts": [
            AttemptRecord(attempt=1, node="node-1", started_at="2026-01-02T03:00:00Z"),
            AttemptRecord(
                attempt=2, node="node-2", started_at="2026-01-02T03:04:00Z", resumed_from_step=938
            ),
        ],
    }
    return RunRecord(**(parts | changes))


def device(**changes: Any) -> DeviceRecord:
    """A GPU with one fact that could not be read."""
    parts: dict[str, Any] = {
        "type": "cuda",
        "name": "Some GPU",
        "reason": "asked for",
        "gpus": [{"uuid": "GPU-1", "ecc": None}],
        "step": "eager",
        "threads": 2,
    }
    return DeviceRecord(**(parts | changes))


def epoch(number: int, **changes: float) -> EpochRecord:
    """An epoch that is a little better than the one before it."""
    parts: dict[str, Any] = {
        "epoch": number,
        "step": 938 * number,
        "learning_rate": 0.25,
        "train_loss": 2 / number,
        "train_seconds": 2.1,
        "images_per_second": 28_571.0,
        "test_loss": 1.9 / number,
        "test_accuracy": 1 - 0.5 / number,
        "test_seconds": 0.2,
    }
    return EpochRecord(**(parts | changes))


def evaluation(names: tuple[str, ...] = ("Coat", "Bag", "Shirt")) -> EvaluationRecord:
    """Three classes, of which the first is taken for the last four times."""
    return EvaluationRecord(
        images=18,
        loss=0.7843,
        accuracy=0.7222,
        classes=[
            ClassRecord(name=name, precision=0.5, recall=0.75, f1=0.6, images=6) for name in names
        ],
        confusion=[[2, 0, 4], [0, 6, 0], [1, 0, 5]],
    )


def timings() -> TimingsRecord:
    """Phases of a run of a good two minutes."""
    return TimingsRecord(
        imports=1.9,
        preflight=0.8,
        data=0.3,
        first_step=3.3,
        training=121.2,
        evaluation=0.2,
        artifacts=1.1,
        total=125.6,
    )


def full_record(**changes: Any) -> RunRecord:
    """The record with what only newer runs on a GPU have."""
    sure = [
        MistakeRecord(index=4, true=0, predicted=2, probability=0.99871),
        MistakeRecord(index=17, true=2, predicted=0, probability=0.751),
    ]
    parts: dict[str, Any] = {
        "evaluation": evaluation().model_copy(update={"confident_mistakes": sure}),
        "goodput": GoodputRecord(
            productive_seconds=90, elapsed_seconds=120, goodput=0.75, lost_steps=12
        ),
        "gpu_use": gpu_use(),
    }
    return run_record(**(parts | changes))


def gpu_use(count: int = 6) -> GpuUseRecord:
    """Samples of a GPU that gets to work, of which one in three is held back."""
    return GpuUseRecord(
        gpu="Some GPU", samples=[gpu_sample(seconds=0.5 * place) for place in range(count)]
    )


def gpu_sample(**changes: Any) -> GpuSampleRecord:
    """A sample, at `seconds` since the start."""
    seconds = changes.get("seconds", 0.0)
    parts: dict[str, Any] = {
        "seconds": seconds,
        "utilisation": min(0.3 * seconds, 0.9),
        "memory_bytes": 2e9,
        "watts": 120 + 10 * seconds,
        "sm_clock": 1980.0,
        "memory_clock": 2619.0,
        "celsius": 40 + seconds,
        "throttling": ["software power cap"] if seconds % 1.5 == 0 else [],
    }
    return GpuSampleRecord(**(parts | changes))
