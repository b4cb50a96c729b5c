"""Draws a run: SVG for the page, PNG for the folder."""

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from job.record import EpochRecord, EvaluationRecord
from job.report import gpu_pictures
from job.report.confusion import class_names, shades
from job.report.content import Content
from job.report.drawing import Canvas, png, say_that_nothing_is_here, svg
from job.report.theme import light

LONGEST_LABEL: Final = 16
# Above this the numbers of a confusion matrix run into each other.
MOST_NUMBERED_CLASSES: Final = 20
NO_RESULT: Final = EvaluationRecord(images=0, loss=0, accuracy=0, classes=[], confusion=[])


def svg_curves(history: list[EpochRecord]) -> dict[str, str]:
    """The learning curves `loss` and `accuracy`, and `speed`, as SVG in the page's colours."""
    return {
        "loss": svg("loss", lambda axes: _draw_loss(axes, history)),
        "accuracy": svg("accuracy", lambda axes: _draw_accuracy(axes, history)),
        "speed": svg("speed", lambda axes: _draw_speed(axes, history)),
    }


def png_files(content: Content) -> dict[str, bytes]:
    """All pictures as PNG by file name."""
    evaluation, history = content.evaluation or NO_RESULT, content.history
    count = len(evaluation.classes)
    matrix = min(max(0.5 * count, 3), 12)
    return {
        "learning-curves.png": png(
            Canvas(width=13, height=3.8, left=0.7, bottom=0.6),
            lambda axes: _draw_loss(axes, history),
            lambda axes: _draw_accuracy(axes, history),
            lambda axes: _draw_speed(axes, history),
        ),
        "confusion-matrix.png": png(
            Canvas(width=matrix + 2, height=matrix + 2, left=1.75, bottom=1.5),
            lambda axes: _draw_confusion(axes, evaluation),
        ),
        "per-class.png": png(
            Canvas(width=7.5, height=min(1.5 + 0.35 * count, 18), left=1.7, bottom=0.4),
            lambda axes: _draw_scores(axes, evaluation),
        ),
        **gpu_pictures.png_files(content.gpu_use),
    }


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


def _draw_speed(axes: Axes, history: list[EpochRecord]) -> None:
    speeds = [epoch.images_per_second / 1000 for epoch in history]
    axes.plot([epoch.epoch for epoch in history], speeds, color=light("train"), marker="s")
    axes.update_datalim([(1, 0)], updatex=False)  # zero counts, for the margins as well
    axes.autoscale_view()
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}k" if value else "0"))
    _finish_curve(axes, "Training images per second", history)


def _finish_curve(axes: Axes, title: str, history: list[EpochRecord]) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not history:
        say_that_nothing_is_here(axes)


def _draw_confusion(axes: Axes, evaluation: EvaluationRecord) -> None:
    axes.set_title("Confusion matrix (test images)")
    if not evaluation.confusion:
        say_that_nothing_is_here(axes)
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
        say_that_nothing_is_here(axes)
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


def _label(name: str) -> str:
    """`name` on one line, cut so that the picture keeps its room."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"
