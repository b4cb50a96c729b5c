"""Fills the template of compare.html: one file that loads nothing, everything escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from job.compare.board import Board
from job.compare.curves import TITLES, colour, curves, is_dashed
from job.compare.words import HEADINGS, NUMBERS, cells, spread_cells
from job.report.theme import PALETTE

VERDICTS: Final = {
    "finished": "pass",
    "running": "warn",
    "interrupted": "warn",
    "missed gate": "warn",
}


@dataclass(frozen=True)
class Line:
    """A row of the table; `colour` is that of its curves, if they have one."""

    cells: Sequence[str]
    verdict: str
    colour: str | None
    is_dashed: bool


def page(board: Board) -> str:
    """The whole page as HTML."""
    return (
        _environment()
        .get_template("compare.html.j2")
        .render(
            headings=(*HEADINGS, *board.differing),
            numbers=NUMBERS,
            lines=_lines(board),
            finished=sum(row.run.is_done for row in board.rows),
            best=board.rows[0].run,
            differing=board.differing,
            has_curves=any(row.run.history for row in board.rows),
            # Drawn here and free of outside text, so it is the one thing that is not escaped.
            curves={name: Markup(svg) for name, svg in curves(board.rows).items()},  # noqa: S704
            titles=TITLES,
            spreads=[spread_cells(spread) for spread in board.spreads],
            spread_headings=[name for spread in board.spreads[:1] for name in spread.settings],
            palette=PALETTE,
        )
    )


def _lines(board: Board) -> list[Line]:
    return [
        Line(
            cells=cells(row, board.differing),
            verdict=VERDICTS.get(row.run.state, "fail"),
            colour=colour(place) if row.run.history else None,
            is_dashed=is_dashed(place),
        )
        for place, row in enumerate(board.rows)
    ]


def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader(
            [PackageLoader("job.compare", "."), PackageLoader("job.report", ".")]  # its style
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
