"""Attempts at a run that start in milliseconds, each a process of its own that can be killed.

The server that forks them says what that leaves out: `warm_server.py`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SERVER: Final = Path(__file__).with_name("warm_server.py")
NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Ended:
    """The exit code or negative signal of an attempt, and what a program without a log has told."""

    returncode: int
    told: str


@dataclass(frozen=True)
class Attempt:
    """A process that was forked; its id is its own until it was waited for."""

    pid: int
    log: Path
    warm: "Warm"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2]
        return not state.startswith("Z")

    def events(self) -> list[dict[str, Any]]:
        """Its log, as far as there is one."""
        whole_lines = self.log.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole_lines]

    def release(self) -> None:
        """Let an attempt that was held begin."""
        self.warm.ask(release=self.pid)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal it; one that has ended takes no notice."""
        os.kill(self.pid, number)

    def wait(self) -> "Ended":
        """Wait for its end, once."""
        return Ended(**self.warm.ask(wait=self.pid))


class Warm:
    """A server with everything imported."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        """Wait until it is ready; logs go to `folder`."""
        self._process = process
        self._folder = folder
        self._started = 0
        self._read()

    def start(
        self, *program: str | Path, environment: Mapping[str, str] = NOTHING, held: bool = False
    ) -> Attempt:
        """Fork a process that becomes one of `crash_programs`."""
        self._started += 1
        log = self._folder / f"{self._started}.log"
        argv = [str(word) for word in program]
        reply = self.ask(start=argv, log=str(log), held=held, environment=dict(environment))
        return Attempt(int(reply["pid"]), log, self)

    def run(self, *command: str | Path) -> Ended:
        """Run any program where the server is."""
        return Ended(**self.ask(run=[str(word) for word in command]))

    def seen(self, path: Path) -> Path:
        """A path as the server sees it, which may have mounted something there."""
        return Path(f"/proc/{self._process.pid}/root", *path.parts[1:])

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the warm start has ended, see above: {self._process.args!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def warm_start(folder: Path, *wrapper: str, **environment: str) -> Iterator[Warm]:
    """A server, in a wrapper such as `unshare`, whose attempts compute on one thread.

    A fork takes no other thread along.
    """
    with subprocess.Popen(
        [*wrapper, sys.executable, str(SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(folder), **environment},
        text=True,
    ) as process:
        yield Warm(process, folder)
        assert process.stdin is not None
        process.stdin.close()
