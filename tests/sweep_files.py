"""Sweeps for tests: files of points, and folders in which some of them are done."""

from pathlib import Path
from typing import Any, Final

from compared_runs import finished
from job.settings import Settings, load
from job.sweep.chosen import Plan, plan_of

THREE: Final = """
method = "grid"
[settings]
learning_rate = [0.1, 0.2, 0.3]
epochs = 1
"""


def write_sweep(folder: Path, text: str = THREE) -> Path:
    """A file of that text."""
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def make_plan(folder: Path, *flags: str, text: str = THREE) -> Plan:
    """The plan of such a file, with the folders of its points below `folder`/output."""
    given = ["--output-dir", str(folder / "output"), *flags]
    settings = load(Settings, ["--sweep", str(write_sweep(folder, text)), *given], "job")
    return plan_of(settings, given, "job")


def finish(run: Settings, accuracy: float = 0.8, **others: Any) -> None:
    """Leave the record of a finished run of these settings, but for `others`."""
    finished(run.output_dir, accuracy, **(run.training_values() | others))
