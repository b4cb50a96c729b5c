"""Many runs beside each other: a leaderboard for the terminal, as CSV, and as a page with curves.

Importing this package is cheap: what draws and what makes tables is imported where it is used.
"""

# ruff: noqa: PLC0415  # the imports inside functions are the ones that the docstring speaks of

import sys
from pathlib import Path
from typing import Final

from job import files
from job.compare.board import Board, board
from job.compare.folders import find_runs
from job.compare.recorded import Run, epochs_done, read_run
from job.errors import OutputError
from job.logs import LogFormat, is_for_people
from job.settings import CompareSettings

__all__ = [
    "PAGE",
    "TABLE",
    "Board",
    "Run",
    "answer",
    "board",
    "epochs_done",
    "find_runs",
    "leaderboard",
    "read_run",
    "write",
]

PAGE: Final = "compare.html"
TABLE: Final = "leaderboard.csv"


def answer(settings: CompareSettings) -> str:
    """The leaderboard of the runs; writes the files that were asked for.

    Raises `DataError` as `find_runs` does, and `OutputError` for a file that cannot be written.
    """
    compared = board(find_runs(settings.runs))
    write(compared, csv=settings.csv, html=settings.html)
    return leaderboard(compared, settings.log_format)


def leaderboard(compared: Board, log_format: LogFormat) -> str:
    """A table for people, JSON for programs."""
    from job.compare import table

    for_people = is_for_people(log_format, sys.stdout)
    return table.for_people(compared) if for_people else table.as_json(compared)


def write(compared: Board, *, csv: Path | None, html: Path | None) -> None:
    """Write the files that are named; their folders must exist, or can be made."""
    from job.compare import table

    if csv is not None:
        _write(csv, table.as_csv(compared))
    if html is not None:
        from job.compare.page import page

        _write(html, page(compared))


def _write(path: Path, text: str) -> None:
    if path.is_dir():
        raise OutputError(
            f"cannot write {path}: it is a folder",
            allowed="the name of a file, its folder may be a new one",
            fix="name a file, such as leaderboard.csv or compare.html",
        )
    files.make_folder(path.parent)
    files.write_text(path, text)
