"""Draws what the GPU did while it trained."""

from collections.abc import Callable
from functools import partial
from typing import Final

from matplotlib.axes import Axes

from job.record import GpuUseRecord
from job.report.drawing import Canvas, Drawing, png, svg
from job.report.gpu import Measure, highest, measures, throttled_seconds
from job.report.theme import light

# Which measures share a picture, and the colours of their lines.
PICTURES: Final = {
    "utilisation": ("utilisation",),
    "memory": ("memory_bytes",),
    "power": ("watts",),
    "clocks": ("sm_clock", "memory_clock"),
    "temperature": ("celsius",),
}
COLOURS: Final = ("test", "train")
MOST_COLUMNS: Final = 3
FULL_UTILISATION: Final = 100.0


def svg_pictures(use: GpuUseRecord) -> dict[str, str]:
    """A picture of each measure that the GPU tells, as SVG in the page's colours."""
    return {name: svg(f"gpu-{name}", draw) for name, draw in _drawings(use).items()}


def png_files(use: GpuUseRecord | None) -> dict[str, bytes]:
    """All of them as one file; none where there is nothing to draw."""
    drawings = list(_drawings(use).values()) if use else []
    if not drawings:
        return {}
    columns = min(len(drawings), MOST_COLUMNS)
    rows = -(-len(drawings) // columns)
    size = Canvas(4.2 * columns, 0.4 + 2.8 * rows, 0.7, 0.6, columns=columns)
    return {"gpu-use.png": png(size, *drawings)}


def _drawings(use: GpuUseRecord) -> dict[str, Drawing]:
    known = measures(use)
    shown = {
        name: [known[field] for field in fields if field in known]
        for name, fields in PICTURES.items()
    }
    return {
        name: partial(_draw, shown=lines, extra=_extra(name, use))
        for name, lines in shown.items()
        if lines
    }


def _extra(name: str, use: GpuUseRecord) -> Callable[[Axes], None] | None:
    throttled = throttled_seconds(use) if name == "clocks" else []
    return partial(_mark, seconds=throttled) if throttled else None


def _draw(axes: Axes, shown: list[Measure], extra: Callable[[Axes], None] | None) -> None:
    for measure, role in zip(shown, COLOURS, strict=False):
        values = [float("nan") if value is None else value for value in measure.values]
        marker = "o" if len(measure.known) == 1 else ""
        axes.plot(measure.seconds, values, color=light(role), marker=marker, label=measure.name)
    if extra:
        extra(axes)
    if extra or len(shown) > 1:
        axes.legend(loc="center right", fontsize=8)
    name = shown[0].name if len(shown) == 1 else "Clocks"
    axes.set_title(f"{name} ({shown[0].unit})")
    axes.set_xlabel("seconds since the start")
    top = FULL_UTILISATION if name == "Utilisation" else max(highest(shown), 1)
    axes.set_ylim(0, top * 1.08)


def _mark(axes: Axes, seconds: list[float]) -> None:
    """Ticks along the foot of the picture, where something held the clocks down."""
    feet = [0.02] * len(seconds)
    place = axes.get_xaxis_transform()
    axes.plot(seconds, feet, "|", color=light("fail"), transform=place, label="throttled")
