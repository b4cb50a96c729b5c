"""A real headless Chromium, and a page in it whose every complaint and request is written down."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import html5lib
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright

Scheme = Literal["light", "dark"]

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
DESKTOP: Final = 1280
PHONE: Final = 390
HEIGHT: Final = 844
HEADINGS: Final = "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
# A picture has an alternative text, or is in something that has one.
NAMELESS: Final = """
[...document.querySelectorAll('img, svg')].filter(p => {
  const holder = p.closest('[role=img]');
  const said = p.getAttribute('alt') || p.querySelector('title')?.textContent
    || (holder && holder.getAttribute('aria-label'));
  return !said || !said.trim();
}).map(p => p.outerHTML.slice(0, 80))
"""
# Whether anything sticks out to the right that cannot be scrolled in a box of its own.
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN: Final = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"


@dataclass
class Opened:
    """A page that was opened from a file, and what it did meanwhile."""

    page: Page
    path: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def heading_levels(self) -> list[int]:
        """The levels of all headings, in the order of the page."""
        return list(self.page.evaluate(HEADINGS))

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate(OVERFLOW))

    @property
    def pictures_without_words(self) -> list[str]:
        """Images and drawings that a screen reader has nothing to say of."""
        return list(self.page.evaluate(NAMELESS))

    @property
    def broken_images(self) -> list[str]:
        """Images that show nothing."""
        return list(self.page.evaluate(BROKEN))

    @property
    def violations(self) -> list[str]:
        """What axe-core finds, with all details open, and where."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]


def find_chromium() -> str:
    """The path of the browser of this machine. Raises `FileNotFoundError` where there is none."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    raise FileNotFoundError("these tests need Chromium: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, started and ended; it never downloads one of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, path: Path, *, scheme: Scheme = "light", width: int = DESKTOP
) -> Iterator[Opened]:
    """The file at `path` as a person opens it, in `scheme`, in a window `width` pixels wide."""
    size: Any = {"width": width, "height": HEIGHT}
    context = browser.new_context(color_scheme=scheme, viewport=size, device_scale_factor=1)
    try:
        seen = Opened(context.new_page(), path)
        _listen(seen)
        seen.page.goto(path.as_uri(), wait_until="load")
        yield seen
    finally:
        context.close()


def markup_errors(path: Path) -> list[str]:
    """What a strict HTML parser stumbles over."""
    parser = html5lib.HTMLParser()
    parser.parse(path.read_text(encoding="utf-8"))
    return [f"line {place[0]}: {code} {facts}" for place, code, facts in parser.errors]


def _listen(seen: Opened) -> None:
    def note_request(request: Request) -> None:
        if not request.url.startswith("data:") and request.url != seen.path.as_uri():
            seen.requests.append(request.url)

    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("request", note_request)
