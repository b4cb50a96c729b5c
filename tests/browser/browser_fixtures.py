"""Fixtures of the tests in a browser: one Chromium for all of them, and pages that are watched."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import DESKTOP, Opened, Scheme, chromium, opened

OpenPage = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium for the whole session."""
    with chromium() as started:
        yield started


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(path, scheme="dark", width=390)`: the page, closed after the test."""
    with ExitStack() as pages:

        def open_it(path: Path, scheme: Scheme = "light", width: int = DESKTOP) -> Opened:
            return pages.enter_context(opened(browser, path, scheme=scheme, width=width))

        yield open_it
