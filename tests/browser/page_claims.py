"""What every page of this project owes its reader, whichever page it is."""

import itertools
from pathlib import Path

from browser import Opened, markup_errors


def require_quiet(opened: Opened) -> None:
    """It loads nothing but itself, complains of nothing, and shows all its images."""
    assert opened.requests == []
    assert opened.complaints == []
    assert opened.broken_images == []


def require_accessible(opened: Opened) -> None:
    """axe-core finds nothing, contrast included; headings descend; pictures have words."""
    levels = opened.heading_levels

    assert opened.violations == []
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert opened.pictures_without_words == []


def require_fits(opened: Opened) -> None:
    """Nothing makes the page scroll sideways; wide tables scroll in themselves."""
    assert opened.overflow == 0


def require_valid(path: Path) -> None:
    """A strict parser has nothing to repair."""
    assert markup_errors(path) == []
