"""Loaders of what lies in folders of runs and of sweeps, as targets: see `targets.py`.

A run's folder has the same bytes in each place, for whichever of its readers they suit.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from job import compare, remake, report
from job.compare import page, table
from job.data import idx
from job.data.dataset import Dataset
from job.errors import DataError, SettingsError
from job.record import SettingRecord
from job.sweep import points
from places import file, folder, written

PLACES: Final = (
    "metrics.json",
    "metrics.jsonl",
    "attempts.jsonl",
    "heartbeat.json",
    "point.json",
    "preflight.json",
    "checkpoints/step-00000002/manifest.json",
)
MOST_DIMENSIONS: Final = 3


def idx_of_any_shape(data: bytes) -> None:
    """A raw file of a dataset whose shape only the file knows."""
    for dimensions in range(1, MOST_DIMENSIONS + 1):
        with contextlib.suppress(DataError):
            assert idx.decode_any(data, dimensions, "a file").ndim == dimensions


def sweep_file(data: bytes) -> None:
    """The TOML file of a sweep; the same points each time."""
    with file("sweep.toml", data) as path, contextlib.suppress(SettingsError):
        found = points.points(path)
        assert found == points.points(path)
        assert len({point.name for point in found}) == len(found)


def compared_run(data: bytes) -> None:
    """A run on the leaderboard, in each of its forms."""
    with _run_folder(data) as run:
        board = compare.board(compare.find_runs([run]))
        for form in (table.for_people, table.as_json, table.as_csv, page.page):
            assert form(board).encode()


def reported_run(data: bytes) -> None:
    """A run whose report is made anew."""
    with _run_folder(data) as run, contextlib.suppress(DataError):
        remade = remake.read(run, _nowhere)
        assert report.render(remade).encode()


@contextlib.contextmanager
def _run_folder(data: bytes) -> Iterator[Path]:
    with folder() as run:
        for place in PLACES:
            written(run / place, data)
        yield run


def _nowhere(_: dict[str, SettingRecord]) -> Dataset:
    raise DataError("found nowhere")
