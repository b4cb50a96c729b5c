"""How everything of a report is drawn: through matplotlib's object API, in the theme's colours.

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
from matplotlib.figure import Figure

from job.report.theme import light, with_variables

PNG_DOTS_PER_INCH: Final = 150

STYLE: Final[dict[str, Any]] = {
    "font.size": 10,
    "text.color": light("ink"),
    "axes.labelcolor": light("muted"),
    "axes.edgecolor": light("rule"),
    "xtick.color": light("muted"),
    "ytick.color": light("muted"),
    "grid.color": light("rule"),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titlepad": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",  # text stays text: the page's font, found by search, read aloud
    "svg.hashsalt": "job.report",  # without it the ids are random
}

Drawing = Callable[[Axes], None]


@dataclass(frozen=True)
class Canvas:
    """Inches. The margins are fixed, since letting matplotlib find them doubled the time."""

    width: float
    height: float
    left: float
    bottom: float
    top: float = 0.4
    right: float = 0.2
    columns: int = 0  # of drawings; 0 for all in one row

    def grid(self) -> dict[str, float]:
        """Where the axes stand, as fractions of the canvas."""
        return {
            "left": self.left / self.width,
            "right": 1 - self.right / self.width,
            "bottom": self.bottom / self.height,
            "top": 1 - self.top / self.height,
        }


# Three of them stand beside each other on a desk, one on a phone.
ON_PAGE: Final = Canvas(width=3.7, height=2.5, left=0.55, bottom=0.5, right=0.1)


def svg(name: str, draw: Drawing, canvas: Canvas = ON_PAGE) -> str:
    """One drawing for the page, in its colours; `name` makes its ids unique there."""
    options = {"metadata": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
    text = _drawn(canvas, [draw], "svg", transparent=True, **options).decode()
    return with_variables(_fit_for_html(text, name))


def png(canvas: Canvas, *drawings: Drawing) -> bytes:
    """Drawings beside each other as a file, on light paper."""
    # Without the name of its maker a file is the same for the next version of matplotlib.
    options = {"metadata": {"Software": None}, "dpi": PNG_DOTS_PER_INCH}
    return _drawn(canvas, list(drawings), "png", **options)


def say_that_nothing_is_here(axes: Axes) -> None:
    """An empty frame would look like a fault of the picture."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, "not in this record", ha="center", transform=axes.transAxes)


def _drawn(canvas: Canvas, drawings: list[Drawing], kind: str, **options: Any) -> bytes:
    # after_reset: nobody's matplotlibrc has a say in what a report looks like.
    with style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # A class name may be in a script that the font lacks; the page shows it all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure((canvas.width, canvas.height))
        columns = canvas.columns or len(drawings)
        rows = -(-len(drawings) // columns)
        places = figure.subplots(rows, columns, squeeze=False, gridspec_kw=canvas.grid())
        figure.subplots_adjust(hspace=0.45)
        for axes in places.flat[len(drawings) :]:
            axes.set_axis_off()
        for axes, draw in zip(places.flat, drawings, strict=False):
            draw(axes)
        file = io.BytesIO()
        figure.savefig(file, format=kind, **options)
    return file.getvalue()


def _fit_for_html(text: str, prefix: str) -> str:
    """The element alone, without what only an XML file needs, its ids unique on the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
