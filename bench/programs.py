"""Whole programs, from their start to their end, by the clock of the process that started them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
# Both leave these; the job leaves a report, checkpoints and a ledger besides.
SAME_FILES: Final = (
    "model.pth",
    "model.safetensors",
    "model.pt2",
    "plots/learning-curves.png",
    "plots/confusion-matrix.png",
    "metrics.json",
)
Run = dict[str, Any]


@dataclass(frozen=True)
class Folders:
    """The published files packed, the same as torchvision unpacks them, and where to write."""

    packed: Path
    unpacked: Path
    output: Path


@dataclass(frozen=True)
class Program:
    """Its arguments after `python`, and what it is to leave in the output folder."""

    arguments: Callable[[Folders], list[str]]
    leaves: tuple[str, ...] = ()


def _job(*flags: str) -> Callable[[Folders], list[str]]:
    return lambda folders: [
        *("-m", "job", "--device=cpu", f"--data-dir={folders.packed}"),
        *(f"--output-dir={folders.output}", *flags),
    ]


def _tutorial(folders: Folders) -> list[str]:
    script = ROOT / "bench" / "tutorial_whole.py"
    return [str(script), str(folders.unpacked), str(folders.output)]


PROGRAMS: Final = {
    "job-whole": Program(_job(), SAME_FILES),
    "job-whole-bf16": Program(_job("--precision=bf16"), SAME_FILES),
    "tutorial-whole": Program(_tutorial, SAME_FILES),
    "explain": Program(lambda _: ["-m", "job", "explain"]),
}


def run(name: str, packed: Path, unpacked: Path) -> Run:
    """Seconds of the program `name`, and the accuracy that it wrote down.

    Raises `SystemExit` if it fails or leaves less than it is to leave.
    """
    program = PROGRAMS[name]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        arguments = program.arguments(Folders(packed, unpacked, output))
        started = time.perf_counter()
        finish(name, arguments)
        seconds = time.perf_counter() - started
        if missing := [file for file in program.leaves if not (output / file).exists()]:
            raise SystemExit(f"{name} left no {', '.join(missing)}")
        return {"seconds": seconds} | _told(output / "metrics.json")


def finish(name: str, arguments: Iterable[str]) -> str:
    """Run Python on the CPU with no setting of the job in the environment; return what it prints.

    Raises `SystemExit` with the last of its words if it fails.
    """
    command = [sys.executable, *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JOB_")}
    environment = {**kept, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(  # noqa: S603  # our own programs
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def _told(metrics: Path) -> Run:
    if not metrics.exists():
        return {}
    record = json.loads(metrics.read_text())
    told = {"accuracy": record.get("evaluation", record)["accuracy"]}
    return told | ({"phases": record["timings"]} if "timings" in record else {})
