"""Draws the learning curves of all runs over each other, as SVG inside a page."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from job.compare.board import Row
from job.compare.recorded import Epoch
from job.report.theme import light, with_variables

# Each has a contrast of 3:1 at least against light and against dark paper; a test says so.
COLOURS: Final = (
    "#3b82d6",
    "#c8611f",
    "#2f9150",
    "#c2528b",
    "#8a7a1c",
    "#7d6bd0",
    "#198f9c",
    "#d0453f",
)
# More lines than these nobody follows; the others stay in grey behind them.
MOST_COLOURED: Final = 16
DASHES: Final = ("-", "--")
STYLE: Final[dict[str, Any]] = {
    "font.size": 10,
    "text.color": light("ink"),
    "axes.labelcolor": light("ink"),
    "axes.edgecolor": light("muted"),
    "xtick.color": light("muted"),
    "ytick.color": light("muted"),
    "grid.color": light("rule"),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "svg.fonttype": "none",  # text stays text: the page's font, found by search, read aloud
    "svg.hashsalt": "job.compare",  # without it the ids are random
}
GRID: Final = {"left": 0.13, "right": 0.94, "bottom": 0.15, "top": 0.88}
INCHES: Final = (4.6, 3.2)
Read = Callable[[Epoch], float]


def curves(rows: Sequence[Row]) -> dict[str, str]:
    """`accuracy`, `loss` and `training loss` by epoch, of the runs that have any."""
    return {
        "accuracy": _svg("accuracy", rows, lambda epoch: epoch.test_accuracy),
        "loss": _svg("loss", rows, lambda epoch: epoch.test_loss),
        "training": _svg("training", rows, lambda epoch: epoch.train_loss),
    }


def colour(place: int) -> str | None:
    """That of the row at a place of the board; None for those in grey."""
    return COLOURS[place % len(COLOURS)] if place < MOST_COLOURED else None


def is_dashed(place: int) -> bool:
    """Whether the colours have come round."""
    return bool(place // len(COLOURS) % len(DASHES))


TITLES: Final = {
    "accuracy": "Test accuracy",
    "loss": "Test loss",
    "training": "Training loss",
}


def _svg(name: str, rows: Sequence[Row], read: Read) -> str:
    # after_reset: nobody's matplotlibrc has a say in what a page looks like.
    with style.context(STYLE, after_reset=True):
        figure = Figure(INCHES)
        axes = figure.add_subplot()
        figure.subplots_adjust(**GRID)
        for place, row in reversed(list(enumerate(rows))):  # the best in front
            _draw(axes, place, row, read)
        _finish(axes, name, last=max((len(row.run.history) for row in rows), default=0))
        file = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return with_variables(_fit_for_html(file.getvalue().decode(), name))


def _draw(axes: Axes, place: int, row: Row, read: Read) -> None:
    epochs = [epoch.epoch for epoch in row.run.history]
    values = [read(epoch) for epoch in row.run.history]
    if not epochs:
        return
    shade = colour(place)
    axes.plot(
        epochs,
        values,
        color=shade or light("rule"),
        linestyle=DASHES[is_dashed(place)],
        linewidth=1.8 if shade else 1,
        marker="o",
        markersize=4 if len(epochs) == 1 else 2.5,
    )
    if shade and row.rank is not None:
        axes.annotate(
            str(row.rank),
            (epochs[-1], values[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=8,
            color=light("muted"),
        )


def _finish(axes: Axes, name: str, last: int) -> None:
    axes.set_title(TITLES[name])
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if last <= 1:  # a single point has no range of its own
        axes.set_xlim(0, 2)
    if name == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))


def _fit_for_html(svg: str, prefix: str) -> str:
    """The element alone, without what only an XML file needs, its ids unique on the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
