"""The leaderboard as text: a table for people, JSON and CSV for programs."""

import csv
import io
import json
import shutil
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from job.compare.board import Board, Row
from job.compare.recorded import State, writable
from job.compare.words import HEADINGS, NUMBERS, cells, printable, spread_cells, written

STYLES: Final[dict[State, str]] = {
    "finished": "",
    "running": "cyan",
    "interrupted": "yellow",
    "missed gate": "yellow",
}
BAD: Final = "red"
# What a pipe gets, where no terminal has a width.
WIDE: Final = (200, 50)
# A program that opens a CSV takes a cell with one of these in front for a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def for_people(board: Board) -> str:
    """One row per run; below it, the spread of runs that differ in their seed only."""
    tables = [_leaderboard(board)]
    if board.spreads:
        tables.append(_spreads(board))
    file = io.StringIO()
    console = Console(file=file, width=shutil.get_terminal_size(WIDE).columns)
    for each in tables:
        console.print(each)
    return file.getvalue().rstrip("\n")


def as_json(board: Board) -> str:
    """`runs`, `differing` and `spreads`, with numbers as they are."""
    content = {
        "runs": [_facts(row) for row in board.rows],
        "differing": list(board.differing),
        "spreads": [asdict(spread) for spread in board.spreads],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def as_csv(board: Board) -> str:
    """One line per run, numbers as they are; what is not known is empty."""
    file = io.StringIO()
    rows = [_facts(row) for row in board.rows]
    names = [name for name in rows[0] if name != "settings"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*names, *map(_cell, board.differing)])
    for row in rows:
        chosen = [row["settings"].get(name) for name in board.differing]
        writer.writerow([*(_cell(row[name]) for name in names), *map(_cell, chosen)])
    return file.getvalue()


def _facts(row: Row) -> dict[str, Any]:
    run = row.run
    return {
        "rank": row.rank,
        "run": run.name,
        "state": run.state,
        "exit_code": run.exit_code,
        "accuracy": run.accuracy,
        "loss": run.loss,
        "epochs": len(run.history),
        "training_seconds": run.training_seconds,
        "images_per_second": run.images_per_second,
        "device": run.device,
        "folder": writable(str(run.folder)),
        "settings": run.settings,
    }


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return "" if value is None else written(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _leaderboard(board: Board) -> Table:
    grid = Table(title=f"Runs: {len(board.rows)}, the best first", title_justify="left")
    for heading in (*HEADINGS, *board.differing):
        justify: JustifyMethod = "right" if heading in NUMBERS else "left"
        grid.add_column(Text(printable(heading)), justify=justify, overflow="fold")
    for row in board.rows:
        style = STYLES.get(row.run.state, BAD)
        grid.add_row(*(Text(cell) for cell in cells(row, board.differing)), style=style)
    return grid


def _spreads(board: Board) -> Table:
    grid = Table(title="Over seeds: mean ± standard deviation", title_justify="left")
    for heading in (*board.spreads[0].settings, "runs", "accuracy", "loss"):
        grid.add_column(Text(printable(heading)))
    for spread in board.spreads:
        grid.add_row(*(Text(cell) for cell in spread_cells(spread)))
    return grid
