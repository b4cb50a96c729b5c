"""The measurement as a picture: median, least and most of each contender, as SVG.

It has paper of its own and follows the reader's light or dark scheme by a style sheet, so that it is
readable on any page; a viewer without style sheets shows the light one.
"""

import io
import statistics
from collections.abc import Iterable
from typing import Any, Final

from lineup import MEANING, TRAINING
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measured import Measured

from job.report.theme import PALETTE, light

WHOLE: Final = ("job-whole", "tutorial-whole")
STYLE: Final[dict[str, Any]] = {
    "font.size": 9,
    "text.color": light("ink"),
    "xtick.color": light("muted"),
    "ytick.color": light("ink"),
    "axes.facecolor": light("paper"),
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": light("rule"),
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": light("paper"),
    "grid.color": light("rule"),
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
}
INCHES: Final = (9.0, 5.0)


def speed_svg(measured: Measured) -> str:
    """An epoch of each who trained, fastest on top, and below it the whole programs."""
    training = _by_speed(TRAINING, measured)
    whole = _by_speed(WHOLE, measured)
    with style.context(STYLE, after_reset=True):
        figure = Figure(INCHES)
        upper, lower = figure.subplots(
            2, 1, gridspec_kw={"height_ratios": (len(training) + 1, len(whole) + 1)}
        )
        figure.subplots_adjust(left=0.43, right=0.93, top=0.94, bottom=0.06, hspace=0.35)
        _draw(upper, "One epoch, training only: seconds", training, measured)
        _draw(lower, "Whole programs, ten epochs: seconds", whole, measured)
        file = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=metadata)
    return _with_dark_scheme(file.getvalue())


def _by_speed(names: Iterable[str], measured: Measured) -> list[str]:
    taking_part = [name for name in names if measured.column(name)]
    return sorted(taking_part, key=lambda name: statistics.median(measured.column(name)))


def _draw(axes: Axes, title: str, names: list[str], measured: Measured) -> None:
    axes.set_title(title)
    axes.set_yticks(range(len(names)), [MEANING[name].replace("`", "") for name in names])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    for place, name in enumerate(names):
        seconds = measured.column(name)
        median = statistics.median(seconds)
        axes.barh(place, median, 0.6, color=light(_role(name)))
        axes.plot((min(seconds), max(seconds)), (place, place), color=light("ink"), linewidth=1.5)
        written: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{median:.2f}", (max(seconds), place), **written)


def _role(name: str) -> str:
    if name in ("job", "job-whole"):
        return "test"
    return "muted" if name.startswith("gemms") else "shade"


def _with_dark_scheme(svg: str) -> str:
    rules = "".join(
        f'[style*="{kind}: {colour.light}"]{{{kind}:{colour.dark}!important}}'
        for colour in PALETTE.values()
        for kind in ("fill", "stroke")
    )
    sheet = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return svg.replace("</svg>", f"{sheet}</svg>")
