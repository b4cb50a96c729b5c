"""Drawings fit their place on the page and in a file."""

import io

from matplotlib.axes import Axes
from PIL import Image

from job.report.drawing import Canvas, png, say_that_nothing_is_here, svg

SMALL = Canvas(width=2, height=2, left=0.2, bottom=0.2)


def test_ids_of_a_drawing_begin_with_its_name() -> None:
    """Two drawings on one page do not answer for each other."""
    text = svg("mine", say_that_nothing_is_here)

    assert text.startswith("<svg")
    assert text.count(' id="') == text.count(' id="mine-') > 0


def test_row_that_is_not_full_leaves_its_place_empty() -> None:
    """Three drawings in two columns are no error, and the fourth place shows no frame."""
    drawn: list[Axes] = []
    canvas = Canvas(width=2, height=2, left=0.2, bottom=0.2, columns=2)
    file = png(canvas, *[drawn.append] * 3)
    figure = drawn[0].figure

    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.size == (300, 300)


def test_file_does_not_name_its_maker() -> None:
    """The next version of matplotlib gives the same bytes."""
    assert b"matplotlib" not in png(SMALL, say_that_nothing_is_here).lower()
