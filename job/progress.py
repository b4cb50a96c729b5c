"""A progress bar with rate and time left for people, and nothing at all for log collectors."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, Protocol

from job.logs import LogFormat, is_console

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

REDRAW_INTERVAL_SECONDS: Final = 0.1


class Journey(Protocol):
    """What a bar shows: how far it went, and a few words."""

    @property
    def images_seen(self) -> int:
        """Images trained on since the start of the run."""
        ...

    @property
    def outlook(self) -> str:
        """Epoch, accuracy, rate."""
        ...


Advance = Callable[[Journey], None]
Show = Callable[[int, str], None]


def is_wanted(choice: Literal["auto", "on", "off"], log_format: LogFormat) -> bool:
    """Whether to draw a bar; `auto` draws one when a person reads the log on a terminal."""
    by_itself = is_console(log_format) and sys.stderr.isatty()
    return choice == "on" or (choice == "auto" and by_itself)


@contextmanager
def bar(total_images: int, already_seen: int, *, drawn: bool) -> Iterator[Advance]:
    """Give a function that shows how far a journey went; it is cheap to call after every step."""
    if not drawn:
        yield lambda _journey: None
        return
    from rich import progress  # noqa: PLC0415  # 0.1 s that a pod need not spend
    from rich.console import Console  # noqa: PLC0415

    with progress.Progress(*_columns(), console=Console(stderr=True)) as display:
        task = display.add_task("starting", total=total_images, completed=already_seen)

        def show(journey: Journey) -> None:
            display.update(task, completed=journey.images_seen, description=journey.outlook)

        yield _throttled(show)


@contextmanager
def overall(total: int, done: int, *, drawn: bool) -> Iterator[Show]:
    """Give a function that shows how much of `total` is done, and a few words.

    Without a thread, because who draws it starts processes meanwhile.
    """
    if not drawn:
        yield lambda _done, _words: None
        return
    from rich import progress  # noqa: PLC0415  # see above
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    with progress.Progress(*_columns(), console=console, auto_refresh=False) as display:
        task = display.add_task("starting", total=total, completed=done)
        display.refresh()

        def show(done: int, words: str) -> None:
            display.update(task, completed=done, description=words, refresh=True)

        yield show


def seldom(act: Callable[[], None], interval_seconds: float) -> Callable[[], None]:
    """`act`, for callers that come more often: it acts once in `interval_seconds` at most."""
    next_time = 0.0

    def maybe() -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time = time.monotonic() + interval_seconds
            act()

    return maybe


def _columns() -> "list[ProgressColumn]":
    from rich import progress  # noqa: PLC0415  # see above

    return [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    ]


def _throttled(show: Advance) -> Advance:
    next_time = 0.0

    def maybe(journey: Journey) -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time = time.monotonic() + REDRAW_INTERVAL_SECONDS
            show(journey)

    return maybe
