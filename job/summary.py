"""The end of a run in a few lines, for whoever sits at the terminal."""

from pathlib import Path

import structlog

from job import logs
from job.errors import OutputError
from job.record import RunRecord


def tell(record: RunRecord, output_dir: Path, *, for_people: bool) -> None:
    """Sum a finished run up, as lines on a terminal or as an event of the log."""
    if for_people:
        _tell_people(text(record, output_dir))
        return
    structlog.get_logger().info(
        "finished",
        accuracy=record.evaluation.accuracy,
        loss=round(record.evaluation.loss, 4),
        seconds=round(record.timings.total, 2),
        output=str(output_dir),
    )


def _tell_people(told: str) -> None:
    try:
        logs.answer(told)
    except OutputError as error:  # the results are where they belong, and that is what counts
        structlog.get_logger().warning("summary not told", reason=error.seen)


def text(record: RunRecord, output_dir: Path) -> str:
    """Accuracy, loss, seconds, and where things are."""
    evaluation, timings = record.evaluation, record.timings
    worst = min(evaluation.classes, key=lambda each: each.recall)
    rows = (
        ("accuracy", f"{evaluation.accuracy:.2%} of {evaluation.images:,} test images"),
        ("loss", f"{evaluation.loss:.4f}"),
        ("hardest", f"{worst.name} ({worst.recall:.1%} found)"),
        ("training", f"{len(record.history)} epochs in {timings.training:.1f} s"),
        ("speed", f"{record.images_per_second:,.0f} images/s on {record.device.name}"),
        ("job", f"{timings.total:.1f} s, attempt {record.attempts[-1].attempt}"),
        ("weights", str(output_dir / "model.safetensors")),
        ("report", str(output_dir / "report.html")),
        ("record", str(output_dir / "metrics.json")),
    )
    return "\n".join(f"{label:>9}  {value}" for label, value in rows)
