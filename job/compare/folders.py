"""Finds the runs that lie in folders, or in folders of folders."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from job.compare.recorded import SIGNS, Run, read_run, writable
from job.errors import DataError

# Of a folder of sweeps a run is the third level; more than that is somebody's whole disk.
DEEPEST: Final = 4
MOST_RUNS: Final = 2000


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """Every run in `folders` or below them, each once, in the order of their names.

    Raises `DataError` for a folder that is not there, and for none with a run in it.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(
                f"no folder {folder}",
                allowed="the output folder of a run, or a folder with some below it",
                fix="check the path",
            )
    named = {
        path.resolve(): _name(path, root, folders) for root in folders for path in _below(root)
    }
    if not named:
        told = ", ".join(map(str, folders))
        raise DataError(f"no run in {told}", allowed=f"folders with {', '.join(SIGNS)}")
    return [read_run(path, name) for path, name in list(named.items())[:MOST_RUNS]]


def _name(path: Path, root: Path, folders: Sequence[Path]) -> str:
    is_below = path != root and len(folders) == 1
    return writable(str(path.relative_to(root) if is_below else path))


def _below(root: Path) -> Iterator[Path]:
    """Folders of runs, the one itself included; links are not followed."""
    for name, folders, files in os.walk(root):
        path = Path(name)
        folders.sort()
        if set(SIGNS) & set(files):
            yield path
            folders.clear()
        elif len(path.relative_to(root).parts) >= DEEPEST:
            folders.clear()
