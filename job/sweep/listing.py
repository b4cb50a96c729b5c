"""What `sweep --plan` shows: every point, its folder, and what has become of it so far."""

import io
import json
import shutil
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from job.compare import Run, read_run
from job.settings import Settings
from job.sweep.chosen import Plan

# What a pipe gets, where no terminal has a width.
WIDE: Final = (200, 50)


def state_of(run: Settings) -> str:
    """`new`, or the state in which its folder is."""
    return read_run(run.output_dir, "").state if run.output_dir.is_dir() else "new"


def is_finished(run: Settings) -> bool:
    """Whether a run of these settings is there, whole, and as good as it has to be."""
    found = read_run(run.output_dir, "")
    return found.is_done and _is_of(found, run) and (found.accuracy or 0) >= (run.min_accuracy or 0)


def for_people(plan: Plan) -> str:
    """One row per point."""
    grid = Table(title=f"{len(plan.points)} points", title_justify="left")
    names = _names(plan)
    for heading in ("index", *names, "state", "folder"):
        grid.add_column(heading)
    for point, run in zip(plan.points, plan.runs, strict=True):
        values = (point.values.get(name, "") for name in names)
        cells = (str(point.index), *values, state_of(run), point.name)
        grid.add_row(*map(Text, cells))
    file = io.StringIO()
    Console(file=file, width=shutil.get_terminal_size(WIDE).columns).print(grid)
    return file.getvalue().rstrip("\n")


def as_json(plan: Plan) -> str:
    """A list of the points."""
    return json.dumps([_facts(plan, index) for index in range(len(plan.points))], indent=2)


def _facts(plan: Plan, index: int) -> dict[str, Any]:
    point, run = plan.points[index], plan.runs[index]
    values = run.model_dump(mode="json", include=set(point.values))
    return {
        "index": point.index,
        "settings": {name: values[name] for name in point.values},
        "state": state_of(run),
        "folder": str(run.output_dir),
    }


def _names(plan: Plan) -> list[str]:
    """The settings that any point names."""
    return list(dict.fromkeys(name for point in plan.points for name in point.values))


def _is_of(found: Run, run: Settings) -> bool:
    return all(found.settings.get(name) == value for name, value in run.training_values().items())
