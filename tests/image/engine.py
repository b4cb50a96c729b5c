"""A container engine as a user types it: docker or podman, each with a store of the tests' own."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# The distribution's own tools go first: client, daemon and runtime must belong together.
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS: Final = 1800
# How a cluster runs it that trusts nobody: a uid that the image does not know, nothing writable but
# the volume and a noexec /tmp, no capability, no network.
HARDENED: Final = (
    "--read-only",
    "--tmpfs=/tmp",
    "--user=12345:0",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)

Finished = subprocess.CompletedProcess[str]
MakeFolder = Callable[[str], Path]


@dataclass(frozen=True)
class Engine:
    """`command` in front of each call and the environment in which the call is made."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def __call__(self, *arguments: str | Path) -> Finished:
        """Call the engine; how it ended is the caller's to judge."""
        return self.shell([*self.command, *map(str, arguments)])

    def checked(self, *arguments: str | Path) -> str:
        """Call the engine for something that must work, and return what it printed."""
        return done(self(*arguments)).stdout.strip()

    def shell(self, line: Sequence[str] | str, folder: Path | None = None) -> Finished:
        """Run a line of the documentation, or an argv, where it finds this engine."""
        argv = ["bash", "-euc", line] if isinstance(line, str) else line
        return subprocess.run(
            argv,
            env={**os.environ, **self.environment, "PATH": f"{PATH}:{os.environ['PATH']}"},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def done(finished: Finished) -> Finished:
    """The same, or an error with all that it printed."""
    if finished.returncode != 0:
        raise RuntimeError(f"{finished.args}: {finished.stdout}\n{finished.stderr}")
    return finished


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    """Look every tenth of a second whether `ready`; raise TimeoutError with `what` if it is not."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.1)
