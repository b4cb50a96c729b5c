"""The inspection of the node before a run, and as `python -m job preflight` of its own."""

import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import torch

from job import __version__, files, logs
from job.errors import ExitCode, OutputError
from job.preflight import ctrf, junit
from job.preflight.node import inspect
from job.preflight.result import Preflight
from job.preflight.verdict import Check
from job.settings import PreflightSettings, Settings

FILE: Final = "preflight.json"


def answer(settings: PreflightSettings) -> ExitCode:
    """Print a table for people or JSON for programs, and return the verdict's exit code.

    The reports that the settings name are written whatever the verdict is. Raises `OutputError`
    for one that cannot be written, before the node is inspected if that shows by then.
    """
    _report(_unfinished(settings), settings)
    fitness = inspect_node(settings)
    _show(fitness, settings)
    _report(fitness, settings)
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


def _report(fitness: Preflight, settings: PreflightSettings) -> None:
    facts = _facts(fitness)
    if settings.junit is not None:
        _write(settings.junit, junit.document(fitness, facts), "--junit")
    if settings.ctrf is not None:
        text = json.dumps(ctrf.document(fitness, facts), indent=2) + "\n"
        _write(settings.ctrf, text.encode(), "--ctrf")


def _write(path: Path, content: bytes, flag: str) -> None:
    fix = f"give {flag} a file in a folder that can be written"
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder", fix=fix)
    try:
        files.make_folder(path.parent)
        files.write_bytes(path, content)
    except OutputError as error:
        raise OutputError(error.seen, allowed=error.allowed, fix=fix) from error


def _unfinished(settings: Settings) -> Preflight:
    """What the reports say of an inspection that is killed, or that takes the node down with it."""
    remedy = "see how the process ended, and whether the node is still there"
    begun = Check("inspection", "fail", "it was begun and has not ended", remedy, 0.0, "node")
    return Preflight(
        checks=(begun,),
        gpus=(),
        asked=settings.device,
        device="cpu",
        device_reason="not chosen yet",
        driver=None,
        driver_cuda=None,
        node=platform.node(),
        inspected_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
    )


def _facts(fitness: Preflight) -> dict[str, str]:
    """What a verdict is of, by names that are alike on all nodes; what is not known is left out."""
    facts = {
        "node": fitness.node,
        "device": f"{fitness.device}, because {fitness.device_reason}",
        "driver": fitness.driver,
        "driver's CUDA": fitness.driver_cuda,
        **{f"GPU {gpu.index}": gpu.name for gpu in fitness.gpus},
        "job": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch's CUDA": torch.version.cuda,
    }
    return {name: value for name, value in facts.items() if value is not None}
