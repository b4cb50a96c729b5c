"""The points of a sweep meet the settings: each is validated before the first one is trained."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from job import files
from job.errors import SettingsError
from job.settings import Settings, load_points
from job.settings.scheduler import sweep_index
from job.sweep.points import Point, points

# What a point is, in its folder: a run that fails early leaves no other file that tells.
FILE: Final = "point.json"
LIMIT_BYTES: Final = 2**20


@dataclass(frozen=True)
class Plan:
    """Every point of a sweep, and the settings of its run, in the same order."""

    points: Sequence[Point]
    runs: Sequence[Settings]


def plan_of(settings: Settings, flags: list[str], program: str) -> Plan:
    """All points of the sweep that `settings` name, each with a folder below their output folder.

    `flags` are those that `settings` came from. Raises `SettingsError` for a file that cannot be
    read, and for the first point whose values are not allowed.
    """
    if settings.sweep is None:
        raise SettingsError("no sweep", fix="set JOB_SWEEP to a file as docs/sweeps.md has it")
    found = points(settings.sweep)
    loaded = load_points(flags, program, [point.values for point in found])
    runs = [
        run.at_point(point.index, settings.output_dir / point.name)
        for point, run in zip(found, loaded, strict=True)
    ]
    return Plan(found, runs)


def this_point(settings: Settings, flags: list[str], program: str) -> Settings | None:
    """The settings of the point that this process is to train; None if nothing names one.

    Raises `SettingsError` as `plan_of` does, and for an index that the sweep does not have.
    """
    index = sweep_index(settings)
    if index is None:
        return None
    plan = plan_of(settings, flags, program)
    if index >= len(plan.runs):
        raise SettingsError(
            f"point {index} of {settings.sweep}",
            allowed=f"0 to {len(plan.runs) - 1}",
            fix="give the array as many members as the sweep has points",
        )
    return plan.runs[index]


def keep(run: Settings) -> None:
    """Write the settings of a point into its folder, for whoever compares it with the others.

    Raises `OutputError` if the volume cannot take them.
    """
    facts = {"index": run.sweep_index, "settings": run.training_values() | _swept_values(run)}
    content = json.dumps(facts, indent=2) + "\n"
    files.make_folder(run.output_dir)
    if files.read_bytes(run.output_dir / FILE, LIMIT_BYTES) != content.encode():
        files.write_text(run.output_dir / FILE, content)


def _swept_values(run: Settings) -> dict[str, Any]:
    """What the point has chosen, be it part of the training or where its data lie."""
    swept = {name for name, origin in run.origins.items() if origin == "sweep"}
    return run.model_dump(mode="json", include=swept - {"output_dir"})
