"""A progress bar with rate and time left for people, and nothing at all for log collectors."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from job.logs import LogFormat, is_console

Advance = Callable[[int, str], None]

REDRAW_INTERVAL_SECONDS: Final = 0.1


def is_wanted(choice: Literal["auto", "on", "off"], log_format: LogFormat) -> bool:
    """Whether to draw a bar; `auto` draws one when a person reads the log on a terminal."""
    by_itself = is_console(log_format) and sys.stderr.isatty()
    return choice == "on" or (choice == "auto" and by_itself)


@contextmanager
def bar(total_images: int, *, drawn: bool) -> Iterator[Advance]:
    """Give a function that takes the images done and a short text; it is cheap to call."""
    if not drawn:
        yield lambda _images, _text: None
        return
    from rich import progress  # noqa: PLC0415  # 0.1 s that a pod need not spend
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.speed:,.0f} images/s", justify="right"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task("starting", total=total_images)
        yield _throttled(
            lambda images, text: display.update(task, completed=images, description=text)
        )


def _throttled(advance: Advance) -> Advance:
    next_time = 0.0

    def maybe(images: int, text: str) -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time = time.monotonic() + REDRAW_INTERVAL_SECONDS
            advance(images, text)

    return maybe
