"""What a loader takes of this machine: memory, time, and whether it brings anything to life."""

import contextlib
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MEBIBYTE: Final = 2**20
# So that a test that fails does not take the machine along.
RESERVE_BYTES: Final = 2**32
# What Python tells its audit hooks of, when code comes to life or something is reached.
FORBIDDEN: Final = frozenset(
    {
        "ctypes.dlopen",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "os.system",
        "pickle.find_class",
        "socket.connect",
        "subprocess.Popen",
    }
)

_seen: list[str] = []
_hooks: list[object] = []


@contextlib.contextmanager
def modest(memory_bytes: int, seconds: float = 10.0) -> Iterator[None]:
    """Fail if what is done here takes more memory at its peak, or more of the processor's time."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is used now
    before, started = _status("VmHWM"), time.process_time()
    with _reserve(_status("VmSize") + RESERVE_BYTES):
        yield
    grown, taken = _status("VmHWM") - before, time.process_time() - started
    assert grown <= memory_bytes, f"{grown / MEBIBYTE:.0f} MiB more at the peak"
    assert taken <= seconds, f"{taken:.1f} s"


@contextlib.contextmanager
def inert() -> Iterator[None]:
    """Fail if what is done here starts a program, restores an object or calls somebody."""
    if not _hooks:
        sys.addaudithook(_note)  # for ever: Python takes none away
        _hooks.append(_note)
    _seen.clear()
    yield
    assert _seen == []


def _note(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN:
        _seen.append(event)


def _status(name: str) -> int:
    (kibibytes,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(kibibytes)


@contextlib.contextmanager
def _reserve(limit_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
