"""The comparison in a real browser: of runs of every kind, and of one that has nothing yet."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from browser import DESKTOP, PHONE, Opened, Scheme
from compared_runs import attempt, finished, leave
from job.compare.board import board
from job.compare.folders import find_runs
from job.compare.page import page as page_of
from page_claims import require_accessible, require_fits, require_quiet, require_valid

OpenPage = Callable[..., Opened]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDTHS: Final = (PHONE, DESKTOP)


def _leave_every_kind(folder: Path) -> None:
    """Two that differ in the seed, another one, one with a long name, and one that failed."""
    long_name = "0000-a-name-that-is-rather-long-for-a-telephone"
    finished(folder / long_name, 0.81, seed=1, batch_size=64, optimizer="sgd")
    finished(folder / "0001", 0.83, seed=2, batch_size=64, optimizer="sgd")
    finished(folder / "0002", 0.90, seed=1, batch_size=32, optimizer="sgd")
    leave(folder / "0003", epochs=1, attempts=[attempt(exit_code=81)])


def _leave_one_that_runs(folder: Path) -> None:
    leave(folder / "0000", attempts=[attempt()])


@pytest.fixture(
    scope="session", params=[_leave_every_kind, _leave_one_that_runs], ids=["every kind", "nothing"]
)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`compare.html` of a sweep."""
    folder = tmp_path_factory.mktemp("sweep")
    request.param(folder)
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(page_of(board(find_runs([folder]))))
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_comparison_opens_without_a_word_or_a_request(
    open_page: OpenPage, page: Path, scheme: Scheme
) -> None:
    """No console error, no request but for the file itself, no image that is broken."""
    require_quiet(open_page(page, scheme))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_the_comparison(
    open_page: OpenPage, page: Path, scheme: Scheme, width: int
) -> None:
    """axe-core finds no violation, contrast included, by day and by night, on desk and phone."""
    require_accessible(open_page(page, scheme, width))


@pytest.mark.parametrize("width", WIDTHS)
def test_comparison_never_scrolls_sideways(open_page: OpenPage, page: Path, width: int) -> None:
    """What is too wide for a phone scrolls in a box of its own."""
    require_fits(open_page(page, width=width))


def test_comparison_is_valid_html(page: Path) -> None:
    """A strict parser finds no error."""
    require_valid(page)
