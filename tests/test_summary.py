"""Claims about `job.summary`."""

from pathlib import Path

from job import summary
from report_records import run_record


def test_summary_has_what_a_person_asks_first() -> None:
    """Accuracy, loss, seconds, speed, device and attempt, each on a line of its own."""
    lines = dict(line.split(maxsplit=1) for line in _summary().splitlines())

    assert lines["accuracy"] == "72.22% of 18 test images"
    assert lines["loss"] == "0.7843"
    assert lines["training"] == "3 epochs in 121.2 s"
    assert lines["speed"] == "28,301 images/s on Some GPU"
    assert lines["job"] == "125.6 s, attempt 2"


def test_summary_says_where_things_are() -> None:
    """Weights, report and record, as paths that can be opened from where the job was started."""
    for name in ("model.safetensors", "report.html", "metrics.json"):
        assert f"  some/output/{name}\n" in _summary() + "\n"


def test_summary_names_the_hardest_class() -> None:
    """It is the one of which the smallest share is found."""
    record = run_record()
    classes = [
        each.model_copy(update={"recall": recall})
        for each, recall in zip(record.evaluation.classes, (0.9, 0.25, 0.5), strict=True)
    ]
    harder = record.evaluation.model_copy(update={"classes": classes})
    text = summary.text(run_record(evaluation=harder), Path("some/output"))

    assert "hardest  Bag (25.0% found)" in text


def _summary() -> str:
    return summary.text(run_record(), Path("some/output"))
