"""The report in a real browser: of a run that has everything, and of one that has nothing yet."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from browser import DESKTOP, PHONE, Opened, Scheme
from job import report
from job.report.content import RUNNING, Content
from page_claims import require_accessible, require_fits, require_quiet, require_valid
from report_records import PREFLIGHT, TEST_IMAGES, full_record

OpenPage = Callable[..., Opened]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDTHS: Final = (PHONE, DESKTOP)


@pytest.fixture(scope="session", params=["full", "empty"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`report.html` with every part of a record, and with none."""
    contents = {
        "full": report.of_record(full_record(), PREFLIGHT, TEST_IMAGES),
        "empty": Content(RUNNING, notes=("the settings cannot be read",)),
    }
    folder = tmp_path_factory.mktemp(request.param)
    return report.write_content(contents[request.param], folder)[0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_report_opens_without_a_word_or_a_request(
    open_page: OpenPage, page: Path, scheme: Scheme
) -> None:
    """No console error, no request but for the file itself, no image that is broken."""
    require_quiet(open_page(page, scheme))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_the_report(
    open_page: OpenPage, page: Path, scheme: Scheme, width: int
) -> None:
    """axe-core finds no violation, contrast included, by day and by night, on desk and phone."""
    require_accessible(open_page(page, scheme, width))


@pytest.mark.parametrize("width", [320, PHONE, 768, DESKTOP])
def test_report_never_scrolls_sideways(open_page: OpenPage, page: Path, width: int) -> None:
    """What is too wide for a phone scrolls in a box of its own."""
    require_fits(open_page(page, width=width))


def test_report_is_valid_html(page: Path) -> None:
    """A strict parser finds no error."""
    require_valid(page)


def test_report_follows_the_scheme_of_the_system(open_page: OpenPage, page: Path) -> None:
    """Dark paper at night, and light by day."""
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = (open_page(page, scheme).page.evaluate(colour) for scheme in SCHEMES)

    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 24, 31)")


def test_report_can_be_printed(open_page: OpenPage, page: Path, tmp_path: Path) -> None:
    """A PDF of some pages comes out, as it would of a printer."""
    pdf = open_page(page).page.pdf(path=tmp_path / "report.pdf")

    assert pdf.startswith(b"%PDF-")
    assert 1 <= pdf.count(b"/Type /Page\n") <= 20
