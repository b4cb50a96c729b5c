"""A process that wants an output folder, told by lines of JSON what to do; it answers likewise.

    {"do": "take", "folder": "...", "silence": 0.2, "at": 123.4}    become the owner at that moment
    {"do": "require"}                                               is it still the owner?
    {"do": "release"}                                               let the next one in

`at` is of `time.monotonic`, so that several of them can be as close as it gets. While it is the
owner, it shows that it lives every few milliseconds.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from job import lease, logs
from job.errors import OutputError
from job.lease import Lease
from job.stop import StopFlag

LOOK_SECONDS = 0.005


class Rival:
    """Does as it is told."""

    def __init__(self) -> None:
        """Own nothing."""
        self.lease, self.stop, self.ended = Lease(), StopFlag(), threading.Event()

    def take(self, folder: str, silence: float, at: float) -> None:
        """Become the owner, or be refused."""
        while time.monotonic() < at:
            pass
        self.lease, self.ended = lease.acquire(Path(folder), silence, self.stop), threading.Event()
        threading.Thread(target=self._keep, args=(self.lease, self.ended), daemon=True).start()

    def require(self) -> None:
        """Look whether it is still the owner."""
        self.lease.require()

    def release(self) -> None:
        """Own nothing any more."""
        self.ended.set()
        self.lease.__exit__(None, None, None)
        self.lease = Lease()

    def obey(self, line: str) -> dict[str, Any]:
        """What came of a line."""
        told = json.loads(line)
        try:
            getattr(self, told.pop("do"))(**told)
        except OutputError as error:
            return {"refused": error.seen, "stop": self.stop.reason}
        return {"refused": None, "stop": self.stop.reason}

    @staticmethod
    def _keep(owned: Lease, ended: threading.Event) -> None:
        while not ended.wait(LOOK_SECONDS):
            owned.touch()


def main() -> None:
    """Read lines until there are no more."""
    logs.configure("json", "error")  # standard output is for answers
    lease.LOOK_SECONDS = LOOK_SECONDS  # type: ignore[misc]  # two hundred races in a few seconds
    rival = Rival()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(rival.obey(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
