"""`python -m job preflight`: the inspection of the node, as a command of its own."""

import json
import sys
from typing import Final

from job import files
from job.errors import ExitCode
from job.logs import is_for_people
from job.preflight.node import inspect
from job.preflight.result import Preflight
from job.settings import Settings

FILE: Final = "preflight.json"


def answer(settings: Settings) -> ExitCode:
    """Print a table for people or JSON for programs, and leave `preflight.json`."""
    fitness = inspect(
        device=settings.device,
        output_dir=settings.output_dir,
        processes_per_node=settings.processes_per_node,
    )
    _show(fitness, settings)
    if fitness.exit_code != ExitCode.OUTPUT:
        files.write_json(settings.output_dir / FILE, fitness.as_json())
    return fitness.exit_code


def _show(fitness: Preflight, settings: Settings) -> None:
    if is_for_people(settings.log_format, sys.stdout):
        from rich.console import Console  # noqa: PLC0415  # programs need no tables

        from job.preflight.table import table  # noqa: PLC0415

        Console().print(table(fitness))
    else:
        sys.stdout.write(json.dumps(fitness.as_json(), indent=2) + "\n")
