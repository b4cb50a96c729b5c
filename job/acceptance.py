"""The inspection of the node before a run, and as `python -m job preflight` of its own."""

import json
import sys
from typing import Final

from job import files, logs
from job.errors import ExitCode
from job.preflight.node import inspect
from job.preflight.result import Preflight
from job.settings import Settings

FILE: Final = "preflight.json"


def answer(settings: Settings) -> ExitCode:
    """Print a table for people or JSON for programs, and return the verdict's exit code."""
    fitness = inspect_node(settings)
    _show(fitness, settings)
    return fitness.exit_code


def inspect_node(settings: Settings, *, writes: bool = True) -> Preflight:
    """Inspect; for a process that `writes`, also the volume, to leave `preflight.json` there."""
    fitness = inspect(
        device=settings.device,
        output_dir=settings.output_dir if writes else None,
        processes_per_node=settings.processes_per_node,
    )
    if writes and fitness.volume_is_usable:
        files.write_json(settings.output_dir / FILE, fitness.as_json())
    return fitness


def _show(fitness: Preflight, settings: Settings) -> None:
    if logs.is_for_people(settings.log_format, sys.stdout):
        from rich.console import Console  # noqa: PLC0415  # programs need no tables

        from job.preflight.table import table  # noqa: PLC0415

        Console().print(table(fitness))
    else:
        logs.answer(json.dumps(fitness.as_json(), indent=2))
