"""The harness finds what it is there to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

import browser as harness
from browser import Opened, markup_errors

OpenPage = Callable[..., Opened]
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title></head>
<body><main><h1>One</h1>{body}</main></body></html>"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """A page with something in its body."""

    def write_page(body: str) -> Path:
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(body=body))
        return path

    return write_page


def test_clean_page_has_nothing_to_complain_of(
    open_page: OpenPage, write: Callable[[str], Path]
) -> None:
    """What the other tests find is the page's own."""
    path = write("<p>Words.</p>")
    seen = open_page(path, width=390)

    assert (seen.requests, seen.complaints, seen.violations) == ([], [], [])
    assert (seen.overflow, seen.heading_levels, markup_errors(path)) == (0, [1], [])


def test_request_is_seen(open_page: OpenPage, write: Callable[[str], Path]) -> None:
    """A page that asks for another file, or an address, is caught."""
    seen = open_page(write('<img alt="x" src="other.png"><img alt="y" src="http://127.0.0.1:9/">'))

    assert [address.rsplit("/", 1)[1] for address in seen.requests] == ["other.png", ""]
    assert seen.broken_images == ["x", "y"]


def test_complaint_of_the_console_is_seen(
    open_page: OpenPage, write: Callable[[str], Path]
) -> None:
    """What a script throws and what it prints are both complaints."""
    seen = open_page(write("<script>console.error('one'); throw new Error('two')</script>"))

    assert len(seen.complaints) == 2


def test_page_that_is_too_wide_is_seen(open_page: OpenPage, write: Callable[[str], Path]) -> None:
    """By how many pixels."""
    seen = open_page(write('<div style="width: 500px">wide</div>'), width=390)

    assert seen.overflow >= 110


def test_faint_text_and_nameless_pictures_are_seen(
    open_page: OpenPage, write: Callable[[str], Path]
) -> None:
    """Contrast is measured, and an image without a text is found."""
    body = '<p style="color: #ccc; background: #fff">faint</p><svg width="9" height="9"></svg>'
    seen = open_page(write(body))

    assert any(each.startswith("color-contrast") for each in seen.violations)
    assert len(seen.pictures_without_words) == 1


def test_markup_that_needs_repair_is_seen(write: Callable[[str], Path]) -> None:
    """A paragraph in a paragraph's place is no matter of taste."""
    assert markup_errors(write("<table><p>lost</p></table>")) != []


def test_machine_without_a_browser_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is skipped, and nothing is downloaded."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        harness.find_chromium()
