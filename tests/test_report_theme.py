"""The report's colours can be read."""

import itertools

import pytest

from job.report.theme import PALETTE, TEXT_COLOURS, with_variables

READABLE = 4.5
PAIRS = [*itertools.product(TEXT_COLOURS, ["paper"]), ("ink", "shade")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(text: str, ground: str, scheme: str) -> None:
    """Every text colour has the contrast that the WCAG ask of small print, in both schemes."""
    luminances = [_luminance(getattr(PALETTE[role], scheme)) for role in (text, ground)]

    assert (max(luminances) + 0.05) / (min(luminances) + 0.05) >= READABLE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_roles_share_a_colour(scheme: str) -> None:
    """A colour in a picture leads back to one role."""
    colours = [getattr(colour, scheme) for colour in PALETTE.values()]

    assert len(colours) == len(set(colours))


def test_light_colours_become_variables_of_the_page() -> None:
    """A picture drawn for light paper follows the page into the dark."""
    drawn = f'<path style="stroke: {PALETTE["train"].light}; fill: {PALETTE["paper"].light}"/>'

    assert with_variables(drawn) == '<path style="stroke: var(--train); fill: var(--paper)"/>'


def _luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
