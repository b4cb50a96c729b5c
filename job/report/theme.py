"""The colours of the report, once: CSS variables on the page, the light ones in the PNG files."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Colour:
    """One role's colour on light and on dark paper, as `#rrggbb`."""

    light: str
    dark: str


# A test holds every text colour to a contrast of 4.5:1 against `paper`, and `ink` against `shade`.
PALETTE: Final[dict[str, Colour]] = {
    "paper": Colour("#ffffff", "#14181f"),
    "ink": Colour("#1c232e", "#e6e9ee"),
    "muted": Colour("#596372", "#9ba5b4"),
    "rule": Colour("#dce0e6", "#303845"),
    "shade": Colour("#8fbcf2", "#265790"),
    "train": Colour("#b04a12", "#f2a271"),
    "test": Colour("#1d5fc2", "#7fb1ff"),
    "pass": Colour("#1a7a35", "#5bd06f"),
    "warn": Colour("#855700", "#e2b23f"),
    "fail": Colour("#bf242c", "#ff8b82"),
}
TEXT_COLOURS: Final = ("ink", "muted", "train", "test", "pass", "warn", "fail")


def light(role: str) -> str:
    """The colour of `role` on light paper."""
    return PALETTE[role].light


def with_variables(svg: str) -> str:
    """`svg`, drawn in light colours, with each of them as the page's variable instead."""
    for role, colour in PALETTE.items():
        svg = svg.replace(colour.light, f"var(--{role})")
    return svg
