"""Draws a record with matplotlib, through its object API: SVG for the page, PNG for the folder.

No pyplot: it keeps figures and a window system's backend in global state.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from job.record import EpochRecord, EvaluationRecord, RunRecord
from job.report.confusion import class_names, shades
from job.report.theme import light, with_variables

PNG_DOTS_PER_INCH: Final = 150
LONGEST_LABEL: Final = 16
# Above this the numbers of a confusion matrix run into each other.
MOST_NUMBERED_CLASSES: Final = 20

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
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",  # text stays text: the page's font, found by search, read aloud
    "svg.hashsalt": "job.report",  # without it the ids are random
}


def svg_curves(history: list[EpochRecord]) -> dict[str, str]:
    """The learning curves `loss` and `accuracy` as SVG in the page's colours."""
    return {
        "loss": _svg("loss", lambda axes: _draw_loss(axes, history)),
        "accuracy": _svg("accuracy", lambda axes: _draw_accuracy(axes, history)),
    }


def png_files(record: RunRecord) -> dict[str, bytes]:
    """All pictures as PNG by file name."""
    evaluation, count = record.evaluation, len(record.evaluation.classes)
    matrix = min(max(0.5 * count, 3), 12)
    return {
        "learning-curves.png": _png(
            _Canvas(width=10, height=4, left=0.7, bottom=0.6),
            lambda axes: _draw_loss(axes, record.history),
            lambda axes: _draw_accuracy(axes, record.history),
        ),
        "confusion-matrix.png": _png(
            _Canvas(width=matrix + 2, height=matrix + 2, left=1.75, bottom=1.5),
            lambda axes: _draw_confusion(axes, evaluation),
        ),
        "per-class.png": _png(
            _Canvas(width=7.5, height=min(1.5 + 0.35 * count, 18), left=1.7, bottom=0.4),
            lambda axes: _draw_scores(axes, evaluation),
        ),
    }


@dataclass(frozen=True)
class _Canvas:
    """Inches. The margins are fixed, since letting matplotlib find them doubled the time."""

    width: float
    height: float
    left: float
    bottom: float
    top: float = 0.4
    right: float = 0.2

    def grid(self) -> dict[str, float]:
        """Where the axes stand, as fractions of the canvas."""
        return {
            "left": self.left / self.width,
            "right": 1 - self.right / self.width,
            "bottom": self.bottom / self.height,
            "top": 1 - self.top / self.height,
        }


Drawing = Callable[[Axes], None]


def _svg(name: str, draw: Drawing) -> str:
    canvas = _Canvas(width=4.6, height=3, left=0.6, bottom=0.5)
    options = {"metadata": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
    text = _drawn(canvas, [draw], "svg", transparent=True, **options).decode()
    return with_variables(_fit_for_html(text, name))


def _png(canvas: _Canvas, *drawings: Drawing) -> bytes:
    # Without the name of its maker a file is the same for the next version of matplotlib.
    options = {"metadata": {"Software": None}, "dpi": PNG_DOTS_PER_INCH}
    return _drawn(canvas, list(drawings), "png", **options)


def _drawn(canvas: _Canvas, drawings: list[Drawing], kind: str, **options: Any) -> bytes:
    # after_reset: nobody's matplotlibrc has a say in what a report looks like.
    with style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # A class name may be in a script that the font lacks; the page shows it all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure((canvas.width, canvas.height))
        places = figure.subplots(1, len(drawings), squeeze=False, gridspec_kw=canvas.grid())
        for axes, draw in zip(places.flat, drawings, strict=True):
            draw(axes)
        file = io.BytesIO()
        figure.savefig(file, format=kind, **options)
    return file.getvalue()


def _fit_for_html(svg: str, prefix: str) -> str:
    """The element alone, without what only an XML file needs, its ids unique on the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)


def _draw_loss(axes: Axes, history: list[EpochRecord]) -> None:
    epochs = [epoch.epoch for epoch in history]
    train, test = [[getattr(e, f"{k}_loss") for e in history] for k in ("train", "test")]
    axes.plot(epochs, train, color=light("train"), marker="s", label="training")
    axes.plot(epochs, test, color=light("test"), marker="o", label="test")
    axes.legend()
    _finish_curve(axes, "Loss", history)


def _draw_accuracy(axes: Axes, history: list[EpochRecord]) -> None:
    epochs = [epoch.epoch for epoch in history]
    accuracies = [epoch.test_accuracy for epoch in history]
    axes.plot(epochs, accuracies, color=light("test"), marker="o")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _finish_curve(axes, "Test accuracy", history)


def _finish_curve(axes: Axes, title: str, history: list[EpochRecord]) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not history:
        _say_that_nothing_is_here(axes)


def _draw_confusion(axes: Axes, evaluation: EvaluationRecord) -> None:
    axes.set_title("Confusion matrix (test images)")
    if not evaluation.confusion:
        _say_that_nothing_is_here(axes)
        return
    cells = [shades(row) for row in evaluation.confusion]
    colours = LinearSegmentedColormap.from_list("shade", [light("paper"), light("shade")])
    axes.imshow(cells, cmap=colours, vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    places = range(len(cells))
    names = [_label(name) for name in class_names(evaluation)]
    axes.set_xticks(places, names, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(places, names, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    if len(cells) <= MOST_NUMBERED_CLASSES:
        _write_counts(axes, evaluation.confusion)


def _write_counts(axes: Axes, confusion: list[list[int]]) -> None:
    place_in_cell: dict[str, Any] = {"ha": "center", "va": "center", "size": 8}
    for row_place, row in enumerate(confusion):
        for column, count in enumerate(row):
            colour = light("ink") if count else light("muted")
            axes.text(column, row_place, str(count), color=colour, **place_in_cell)


def _draw_scores(axes: Axes, evaluation: EvaluationRecord) -> None:
    axes.set_title("Scores of each class")
    if not evaluation.classes:
        _say_that_nothing_is_here(axes)
        return
    rows = evaluation.classes[::-1]
    places = range(len(rows))
    axes.barh(places, [row.f1 for row in rows], 0.6, color=light("shade"), label="F1")
    for name, marker, role in (("precision", "D", "train"), ("recall", "o", "test")):
        values = [getattr(row, name) for row in rows]
        axes.plot(values, places, marker, markersize=5, color=light(role), label=name)
    axes.set_yticks(places, [_label(row.name) for row in rows], parse_math=False)
    axes.set_xlim(0, 1.02)
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(0.4, 1), ncols=3, borderpad=0)


def _say_that_nothing_is_here(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "not in this record", ha="center", transform=axes.transAxes)


def _label(name: str) -> str:
    """`name` on one line, cut so that the picture keeps its room."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"
