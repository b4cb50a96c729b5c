"""A real terminal in place of standard error, for what people see and collectors do not."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Make standard error a pseudo-terminal; give a function that reads what it was shown."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    reader, writer = os.openpty()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as screen, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", screen)
        yield lambda: _read(reader)
    os.close(reader)


def _read(reader: int) -> str:
    shown = b""
    while True:
        try:
            shown += os.read(reader, 65536)
        except BlockingIOError:
            return shown.decode()
