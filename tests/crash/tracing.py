"""strace around an attempt: the system calls that it makes, and any of them broken on purpose.

strace breaks the n-th call of a name: a SIGKILL at its entry keeps it from happening, an error is
returned in place of doing it, and an invented success is, too.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from warm import Attempt, Warm

CALL: Final = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.+)$")
EXIT: Final = re.compile(r"^\d+ +(?P<name>exit_group)\((?P<arguments>\d+)\) += \?()(?P<result>)$")
NO_CALL: Final = re.compile(r"^\d+ +(\+\+\+|---) ")
# What the interpreter asks for itself, and not the same in every run.
INTERNAL: Final = {
    *("brk", "futex", "madvise", "mmap", "mprotect", "mremap", "munmap"),
    *("rt_sigaction", "rt_sigprocmask", "sched_yield"),
}
RELEASE: Final = "recvfrom"  # the call by which an attempt waits at its gate, and no other


@dataclass(frozen=True)
class Call:
    """A system call as strace shows it, and the how-manieth of its name it is."""

    name: str
    number: int
    arguments: str
    result: str

    def broken(self, how: str, *, for_good: bool = False) -> str:
        """The argument that makes strace break it, and for good all later ones of its name."""
        return f"--inject={self.name}:{how}:when={self.number}{'+' if for_good else ''}"


@dataclass(frozen=True)
class Traced:
    """How a traced attempt ended, what it told, and what it asked of the kernel."""

    returncode: int
    told: str
    trace: str

    def calls(self) -> list[Call]:
        """Every system call from the release on, in order, but for those of the interpreter."""
        lines = self.trace.splitlines()
        released = next(n for n, line in enumerate(lines) if f" {RELEASE}(" in line)
        seen: Counter[str] = Counter()
        calls = [_parse(line, seen) for line in lines[released + 1 :] if not NO_CALL.match(line)]
        return [call for call in calls if call.name not in INTERNAL]


def run_traced(warm: Warm, program: list[str], *options: str) -> Traced:
    """Run a program of `crash_programs` under strace, from its first system call on."""
    attempt = warm.start(*program, held=True)
    with attached(attempt, options) as trace:
        attempt.release()
        ended = attempt.wait()
    return Traced(ended.returncode, ended.told, trace.read_text())


@contextmanager
def attached(attempt: Attempt, options: tuple[str, ...]) -> Iterator[Path]:
    """Have strace at an attempt that is held; yield where the trace will be, whole afterwards."""
    trace = attempt.log.with_suffix(".strace")
    command = ["strace", "--follow-forks", f"--attach={attempt.pid}", f"--output={trace}", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        line = strace.stderr.readline()
        if not line.endswith(" attached\n"):
            raise RuntimeError(f"strace cannot attach: {line}{strace.stderr.read()}")
        yield trace


def _parse(line: str, seen: Counter[str]) -> Call:
    match = CALL.match(line) or EXIT.match(line)
    if match is None:
        raise ValueError(f"no system call: {line}")
    name, arguments, result = match["name"], match["arguments"], match["result"]
    seen[name] += 1
    return Call(name, seen[name], arguments, result)
