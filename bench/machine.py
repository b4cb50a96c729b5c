"""The machine that measures: what it is, and how busy others kept it meanwhile (Linux only)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

from job import describe

# What the libraries of matrix products choose their code by, on x86.
INSTRUCTION_SETS: Final = (
    "fma",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_bf16",
)
ROOT: Final = Path(__file__).parents[1]
RIVALS: Final = ("jax", "scikit-learn")
CPUINFO: Final = Path("/proc/cpuinfo")
STAT: Final = Path("/proc/stat")
STEAL: Final = 7  # its column in /proc/stat: time that the host gave to other guests
COLUMNS: Final = 8  # those after it are counted in those before it, too


def facts() -> dict[str, Any]:
    """Revision, processor, instruction sets, cores, threads, versions, as JSON can hold them."""
    return {
        "revision": revision(ROOT),
        "processor": describe.device_name("cpu"),
        "instruction_sets": instruction_sets(CPUINFO.read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "unset"),
        "versions": {**describe.versions(), **{name: _version(name) for name in RIVALS}},
    }


def revision(root: Path) -> str:
    """Short hash of the commit that the tree at `root` is of; "unknown" for no clone."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return "unknown"
    command = [git, "-C", str(root), "rev-parse", "--short", "HEAD"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # git
    return told.stdout.strip() or "unknown"


def instruction_sets(cpuinfo: str) -> list[str]:
    """Those of `INSTRUCTION_SETS` that the first processor of `cpuinfo` has."""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split()
    return [name for name in INSTRUCTION_SETS if name in flags]


@contextmanager
def noise() -> Iterator[dict[str, Any]]:
    """A dictionary that has, at the end, load averages before and after, and stolen time in %."""
    found: dict[str, Any] = {"load_before": os.getloadavg()}
    before = _ticks()
    yield found
    found["load_after"] = os.getloadavg()
    found["steal_percent"] = steal_percent(before, _ticks())


def steal_percent(before: list[int], after: list[int]) -> float:
    """Share of the time between two readings of /proc/stat that the host gave to others."""
    spent = [late - early for early, late in zip(before, after, strict=True)]
    return 100 * spent[STEAL] / max(sum(spent), 1)


def _ticks() -> list[int]:
    return [int(number) for number in STAT.read_text().split("\n", 1)[0].split()[1 : COLUMNS + 1]]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
