"""The pictures can be opened, are always the same and survive hostile names."""

import io
import re
from collections.abc import Callable

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from job.record import ClassRecord, EpochRecord, EvaluationRecord
from job.report import pictures
from job.report.content import of_record
from job.report.pictures import png_files, svg_curves
from report_records import epoch, evaluation, run_record

NAMES = {"learning-curves.png", "confusion-matrix.png", "per-class.png"}
HOSTILE_NAMES = ("$\\frac{$ _^", "<script>\n\t&amp;", "\N{PILE OF POO}\u8863" + "x" * 300)
NO_RESULT = EvaluationRecord(images=0, loss=0, accuracy=0, classes=[], confusion=[])
HISTORY = [epoch(1), epoch(2)]
NOT_FINITE = {"train_loss": float("nan"), "test_loss": float("inf")}
BROKEN_HISTORY = [epoch(1), epoch(2).model_copy(update=NOT_FINITE)]


def test_every_picture_can_be_opened_at_a_size_for_slides() -> None:
    """Each PNG decodes, is neither a thumbnail nor a poster, and shows something."""
    sizes = {}
    for name, png in png_files(of_record(run_record(), None)).items():
        with Image.open(io.BytesIO(png)) as picture:
            sizes[name] = picture.size
            assert len(picture.convert("L").getcolors() or []) > 3

    assert sizes.keys() == NAMES
    assert all(300 <= side <= 2000 for size in sizes.values() for side in size)


def test_picture_of_many_classes_keeps_a_sane_size() -> None:
    """A hundred classes do not make a picture that no viewer opens."""
    count = 100
    rows = [
        ClassRecord(name=f"class {place}", precision=1, recall=1, f1=1, images=1)
        for place in range(count)
    ]
    diagonal = [[int(row == column) for column in range(count)] for row in range(count)]
    many = EvaluationRecord(images=count, loss=0.1, accuracy=1, classes=rows, confusion=diagonal)

    for png in png_files(of_record(run_record(evaluation=many), None)).values():
        with Image.open(io.BytesIO(png)) as picture:
            assert max(picture.size) <= 3000


def test_hostile_class_names_are_drawn() -> None:
    """No class name is read as a formula, and one that the font lacks is no warning."""
    record = run_record(evaluation=evaluation(names=HOSTILE_NAMES))

    assert png_files(of_record(record, None)).keys() == NAMES


@pytest.mark.parametrize("history", [[], [epoch(1)], BROKEN_HISTORY], ids=["none", "one", "nan"])
def test_any_history_is_drawn(history: list[EpochRecord]) -> None:
    """No epoch, a single one, or a loss that is no number: there are pictures all the same."""
    assert png_files(of_record(run_record(history=history), None)).keys() == NAMES
    assert svg_curves(history).keys() == {"loss", "accuracy", "speed"}


def test_evaluation_without_classes_is_drawn() -> None:
    """A record that lacks the classes still gives every picture."""
    assert png_files(of_record(run_record(evaluation=NO_RESULT), None)).keys() == NAMES


def test_single_epoch_can_be_seen() -> None:
    """A curve of one point is drawn as a point, not as a line of no length."""
    svg = svg_curves([epoch(1)])["loss"]

    assert re.search(r'<use [^>]*style="[^"]*var\(--train\)', svg)
    assert re.search(r'<use [^>]*style="[^"]*var\(--test\)', svg)


def test_steady_speed_is_drawn_below_the_edge() -> None:
    """From zero on, and with room for the marks of the highest points."""
    speeds = (18_000.0, 19_000.0, 18_500.0)
    history = [epoch(at + 1, images_per_second=speed) for at, speed in enumerate(speeds)]

    bottom, top = _axes(lambda axes: pictures._draw_speed(axes, history)).get_ylim()

    assert bottom == 0
    assert 19 < 0.97 * top < 25


def test_picture_of_nothing_says_so() -> None:
    """An empty frame would look like a fault of the picture."""
    drawn = [
        _axes(lambda axes: pictures._draw_loss(axes, [])),
        _axes(lambda axes: pictures._draw_accuracy(axes, [])),
        _axes(lambda axes: pictures._draw_speed(axes, [])),
        _axes(lambda axes: pictures._draw_confusion(axes, NO_RESULT)),
        _axes(lambda axes: pictures._draw_scores(axes, NO_RESULT)),
    ]

    assert [[text.get_text() for text in axes.texts] for axes in drawn] == [
        ["not in this record"]
    ] * 5


def test_matrix_is_drawn_with_its_counts_where_they_belong() -> None:
    """True classes run down, predicted ones to the right, as on the page."""
    axes = _axes(lambda axes: pictures._draw_confusion(axes, evaluation()))
    counts = {text.get_position(): text.get_text() for text in axes.texts}

    assert counts[2, 0] == "4"
    assert counts[0, 2] == "1"
    assert len(counts) == 9


def test_long_names_are_cut_to_one_short_line() -> None:
    """A class name takes no more than its margin; the page has all of it."""
    names = ("a\n b", "x" * 16, "y" * 17)
    axes = _axes(lambda axes: pictures._draw_confusion(axes, evaluation(names=names)))

    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["a b", "x" * 16, "y" * 15 + "…"]


@pytest.mark.parametrize("part", ["history", "evaluation"])
def test_pictures_follow_the_record(part: str) -> None:
    """Another history changes the curves alone, another evaluation the other two."""
    other = {"history": HISTORY, "evaluation": evaluation(names=("a", "b", "c"))}[part]
    before, after = (
        png_files(of_record(run_record(), None)),
        png_files(of_record(run_record(**{part: other}), None)),
    )
    changed = {name for name in NAMES if before[name] != after[name]}

    curves = {"learning-curves.png"}
    assert changed == (curves if part == "history" else NAMES - curves)


def test_own_matplotlib_settings_change_nothing() -> None:
    """A user's matplotlibrc has no say in the bytes of a report."""
    expected = png_files(of_record(run_record(), None)), svg_curves(HISTORY)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        seen = png_files(of_record(run_record(), None)), svg_curves(HISTORY)

    assert expected == seen


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    """Whoever draws after us draws as before."""
    before = dict(mpl.rcParams)
    svg_curves(HISTORY)

    assert before == dict(mpl.rcParams)


def test_inline_curves_have_no_fixed_colour() -> None:
    """All colours are the page's variables, so that a curve can be read in the dark."""
    svg = "".join(svg_curves(HISTORY).values())

    assert "var(--test)" in svg
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)


def test_inline_curves_keep_their_text() -> None:
    """Labels are text, not outlines, so that a browser can search and zoom them."""
    svg = svg_curves(HISTORY)

    assert ">training</text>" in svg["loss"]
    assert ">Test accuracy</text>" in svg["accuracy"]


def test_references_inside_a_curve_lead_somewhere() -> None:
    """Renaming the ids keeps markers and clip paths attached."""
    for svg in svg_curves(HISTORY).values():
        ids = set(re.findall(r' id="([^"]+)"', svg))
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))

        assert used
        assert used <= ids


def _axes(draw: Callable[[Axes], None]) -> Axes:
    """Empty axes, drawn on."""
    axes = Figure().add_subplot()
    draw(axes)
    return axes
