"""Claims about `job.progress`."""

import re
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import pytest

from job import progress
from job.logs import LogFormat
from terminals import terminal

Choice = Literal["auto", "on", "off"]
UNDRAWN = """
import sys
from contextlib import suppress
from job import progress
with progress.bar(100, 0, drawn=False) as show:
    show(None)
sys.exit("rich" in sys.modules)
"""


@dataclass(frozen=True)
class Trip:
    """As far as the test says."""

    images_seen: int
    outlook: str


@pytest.mark.parametrize(
    ("choice", "log_format", "at_terminal", "elsewhere"),
    [
        ("auto", "auto", True, False),
        ("auto", "console", True, False),
        ("auto", "json", False, False),
        ("on", "json", True, True),
        ("on", "auto", True, True),
        ("off", "console", False, False),
    ],
)
def test_bar_is_for_people_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    choice: Choice,
    log_format: LogFormat,
    *,
    at_terminal: bool,
    elsewhere: bool,
) -> None:
    """`auto` draws none into a file or a collector; `on` and `off` are obeyed anywhere."""
    assert progress.is_wanted(choice, log_format) == elsewhere
    with terminal(monkeypatch):
        assert progress.is_wanted(choice, log_format) == at_terminal


def test_bar_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, in percent and in the time left; and its first and last lines are drawn, too."""
    monkeypatch.setattr(progress, "REDRAW_INTERVAL_SECONDS", 0.0)
    with terminal(monkeypatch) as shown:
        with progress.bar(2_000, 0, drawn=True) as show:
            for images in (500, 1_000, 2_000):
                show(Trip(images, f"epoch of {images}"))
        text = shown()

    assert "starting" in text
    assert re.search(r"epoch of 2000 .*100%.*\d:\d\d:\d\d", text)


def test_bar_of_a_resumed_run_starts_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier attempts have done is done."""
    with terminal(monkeypatch) as shown:
        with progress.bar(2_000, 1_500, drawn=True):
            pass
        text = shown()

    assert " 75%" in text
    assert " 0%" not in text


def test_bar_that_is_not_drawn_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A pod's log has events and no control characters."""
    with progress.bar(100, 0, drawn=False) as show:
        show(Trip(50, "half"))
    assert capfd.readouterr() == ("", "")


def test_bar_that_is_not_drawn_costs_no_import() -> None:
    """A pod does not load what only a terminal needs."""
    assert subprocess.run([sys.executable, "-c", UNDRAWN], check=False).returncode == 0


def test_bar_is_drawn_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes less than a millisecond; the bar does not slow it down."""
    drawn: list[progress.Journey] = []
    times = [count / 1000 for count in range(2000)]
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(progress, "time", clock)
    show = progress._throttled(drawn.append)
    for count, now in enumerate(times):
        clock.monotonic = lambda now=now: now
        show(Trip(count, ""))

    assert [trip.images_seen for trip in drawn[:2]] == [0, 100]
    assert 15 <= len(drawn) <= 20


def test_bar_is_gone_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor is given back, whatever ends the work."""
    with terminal(monkeypatch) as shown:
        with suppress(KeyError), progress.bar(10, 0, drawn=True) as show:
            show(Trip(1, ""))
            raise KeyError
        text = shown()

    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_overall_bar_shows_what_is_done_and_starts_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever draws it starts processes meanwhile, which a thread could bring to a standstill."""
    before = threading.active_count()
    with terminal(monkeypatch) as shown:
        with progress.overall(8, 2, drawn=True) as show:
            threads = threading.active_count()
            show(6, "point 3 of 4")
        text = shown()

    assert threads == before
    assert " 25%" in text
    assert re.search(r"point 3 of 4 .*75%", text)


def test_overall_bar_that_is_not_drawn_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A pod's log has events and no control characters."""
    with progress.overall(8, 2, drawn=False) as show:
        show(6, "point 3 of 4")

    assert capfd.readouterr() == ("", "")


def test_seldom_acts_at_once_and_then_not_for_a_while() -> None:
    """However often it is called."""
    acts: list[int] = []
    look = progress.seldom(lambda: acts.append(1), interval_seconds=3600)
    for _ in range(10):
        look()

    assert acts == [1]
