"""The picture has everyone in it and can be read in both schemes."""

import re
from pathlib import Path

from lineup import MEANING, TRAINING
from plot import WHOLE, speed_svg

from bench_numbers import measured_in
from job.report.theme import PALETTE


def test_picture_names_everyone_with_the_median(tmp_path: Path) -> None:
    """Its text is text, so that it can be searched and read aloud."""
    svg = speed_svg(measured_in(tmp_path))
    texts = set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))

    assert {MEANING[name].replace("`", "") for name in (*TRAINING, *WHOLE)} <= {
        text.replace("&apos;", "'") for text in texts
    }
    assert {"1.30", "75.00"} <= texts


def test_every_colour_has_its_counterpart_in_the_dark(tmp_path: Path) -> None:
    """No line that was dark on white stays so on dark paper."""
    drawing, sheet = speed_svg(measured_in(tmp_path)).split("<style>@media")
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawing))

    assert {PALETTE["paper"].light, PALETTE["ink"].light, PALETTE["test"].light} <= used
    assert {colour for colour in used if f'fill: {colour}"]' not in sheet} == set()
    assert {colour for colour in used if f'stroke: {colour}"]' not in sheet} == set()


def test_same_numbers_give_the_same_picture(tmp_path: Path) -> None:
    """A new page without new numbers is no change to commit."""
    assert speed_svg(measured_in(tmp_path)) == speed_svg(measured_in(tmp_path))


def test_who_took_no_part_is_not_drawn(tmp_path: Path) -> None:
    """A bench that was cut off has its picture, too."""
    measured = measured_in(tmp_path)
    for found in measured.rounds:
        del found["runs"]["jax"]

    assert "JAX" not in speed_svg(measured)
