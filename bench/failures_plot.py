"""Goodput over the interval between checkpoints, as SVG: points simulated, lines by the formula."""

import io
from collections.abc import Iterable
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from job.report.theme import PALETTE, light, with_variables

COLOURS: Final = ("pass", "test", "train")
TICKS: Final = {60: "1 min", 300: "5 min", 1200: "20 min", 3600: "1 h", 14_400: "4 h"}
STYLE: Final[dict[str, Any]] = {
    "font.size": 9,
    "text.color": light("ink"),
    "axes.labelcolor": light("muted"),
    "axes.edgecolor": light("rule"),
    "axes.facecolor": light("paper"),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": light("paper"),
    "grid.color": light("rule"),
    "xtick.color": light("muted"),
    "xtick.minor.size": 0,
    "ytick.color": light("muted"),
    "svg.fonttype": "none",
    "svg.hashsalt": "failures",
}
INCHES: Final = (8.0, 4.0)

Point = dict[str, Any]


def svg(points: list[Point]) -> str:
    """The picture, light or dark as the reader's system is."""
    with style.context(STYLE, after_reset=True):
        figure = Figure(INCHES)
        axes = figure.subplots()
        figure.subplots_adjust(left=0.09, right=0.84, top=0.96, bottom=0.13)
        _draw(axes, points)
        file = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=metadata)
    return with_variables(file.getvalue()).replace("</svg>", f"{_sheet()}</svg>")


def _draw(axes: Axes, points: list[Point]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(list(TICKS), list(TICKS.values()))
    axes.set_xlabel("work between two checkpoints")
    axes.set_ylabel("goodput")
    axes.set_ylim(0.4, 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for gpus, role in zip(_sizes(points), COLOURS, strict=True):
        _draw_curve(axes, [point for point in points if point["gpus"] == gpus], light(role))


def _draw_curve(axes: Axes, points: list[Point], colour: str) -> None:
    intervals = [point["interval"] for point in points]
    axes.plot(intervals, [point["formula"] for point in points], color=colour, linewidth=1.2)
    axes.plot(intervals, [point["simulated"] for point in points], "o", color=colour, markersize=4)
    axes.axvline(points[0]["daly"], color=colour, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"{points[0]['gpus']:,} GPUs",
        (intervals[-1], points[-1]["formula"]),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        annotation_clip=False,
    )


def _sizes(points: Iterable[Point]) -> list[int]:
    return sorted({point["gpus"] for point in points})


def _sheet() -> str:
    """The colours, which `with_variables` took out of the drawing."""
    lights = "".join(f"--{role}:{colour.light};" for role, colour in PALETTE.items())
    darks = "".join(f"--{role}:{colour.dark};" for role, colour in PALETTE.items())
    dark_scheme = f"@media (prefers-color-scheme:dark){{:root{{{darks}}}}}"
    return f"<style>:root{{{lights}}}{dark_scheme}</style>"
