"""A warm start: this process has imported all that the job imports, and forks for each attempt.

Importing torch takes two seconds, which thousands of attempts cannot afford. A fork takes
milliseconds, and what it skips is only that: the child has no threads, an own process id, standard
streams and environment, and calls the job's real `main`.

One JSON object a line comes in, one goes out:

    {"start": ["job", ARGUMENT...], "environment": {}, "log": PATH, "held": false} → {"pid": 12}
    {"release": 12} → {}                    a child that is held begins
    {"run": ["mount", ARGUMENT...]} → {"returncode": 0, "told": ""}
    {"wait": 12} → {"returncode": 75, "told": ""}    as `subprocess` has it
"""

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "crash")]

import torch  # noqa: E402  # the path comes first

from datasets import small_dataset  # noqa: E402
from job.data import spec  # noqa: E402


class Children:
    """The attempts that were started, and the gates at which they wait for their release."""

    def __init__(self) -> None:
        """Begin with none."""
        self._gates: dict[int, socket.socket] = {}

    def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked."""
        if "start" in request:
            return self._start(request)
        if "release" in request:
            return self._release(request["release"])
        if "run" in request:
            return run(request["run"])
        return self._wait(request["wait"])

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        gate, childs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            become(request, childs)
        childs.close()
        gate.recv(1)
        self._gates[pid] = gate
        if not request["held"]:
            self._release(pid)
        return {"pid": pid}

    def _release(self, pid: int) -> dict[str, Any]:
        self._gates[pid].send(b"!")
        return {}

    def _wait(self, pid: int) -> dict[str, Any]:
        _, status = os.waitpid(pid, 0)
        told = words_from(self._gates.pop(pid))
        return {"returncode": os.waitstatus_to_exitcode(status), "told": told}


def words_from(gate: socket.socket) -> str:
    """What a program has told, which has ended."""
    told = b""
    with gate, contextlib.suppress(ConnectionResetError):  # killed before it saw its release
        while word := gate.recv(2**16):
            told += word
    return told.decode()


def run(command: list[str]) -> dict[str, Any]:
    """Run another program where this one is, such as in a mount namespace."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"returncode": ended.returncode, "told": ended.stderr}


def become(request: dict[str, Any], gate: socket.socket) -> None:
    """Be the program that was asked for, and leave as the job leaves.

    What waits at the gate has nothing left to prepare, so that strace sees the program alone.
    """
    import crash_programs  # noqa: PLC0415  # it is imported; this names it

    with Path(request["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(request["environment"])
    gate.send(b".")
    gate.recv(1)
    crash_programs.run(request["start"], gate)


def warm_up() -> None:
    """Import what the job does, and do once what its last phase imports more for."""
    with tempfile.TemporaryDirectory() as folder:
        spec.FASHION_MNIST = small_dataset(Path(folder))  # type: ignore[misc]  # before it is read
        import crash_programs  # noqa: F401, PLC0415
        import job.run  # noqa: PLC0415
        import job.summary  # noqa: F401, PLC0415
        from job import artifacts, report  # noqa: PLC0415
        from job.model import NeuralNetwork  # noqa: PLC0415
        from report_records import run_record  # noqa: PLC0415

        artifacts.write_weights(NeuralNetwork(), torch.zeros(2, 1, 28, 28), Path(folder))
        report.write(run_record(), None, Path(folder))


def main() -> None:
    """Import, say that it is done, and serve until nobody asks any more."""
    warm_up()
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208  # no path is wanted
    if threads != 1:
        raise SystemExit(f"{threads} threads, of which a fork would take one along")
    gc.freeze()  # so that a child copies fewer pages
    answer({"ready": True})
    children = Children()
    for line in sys.stdin:
        answer(children.obey(json.loads(line)))


def answer(value: dict[str, Any]) -> None:
    """Send one line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
