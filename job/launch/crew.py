"""The ranks of this node as child processes: started, told of signals, waited for, never left over.

Each is in a process group of its own, so that a terminal's Ctrl-C reaches only the launcher, which
passes it on once. The kernel kills them when the launcher dies: a rank that would have to notice
for itself might be stuck in a library, and a rank that is left over would write to the volume
beside the next attempt.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from job import termination
from job.launch.endings import Ending, cause
from job.stop import SIGNALS, StopFlag

POLL_SECONDS: Final = 0.02
PR_SET_PDEATHSIG: Final = 1  # of linux/prctl.h

log = structlog.get_logger()


class Crew:
    """The running ranks by their numbers."""

    def __init__(
        self,
        command: Sequence[str],
        environments: Mapping[int, Mapping[str, str]],
        grace_seconds: float,
        *,
        output: int | None = None,
    ) -> None:
        """Start one process of `command` for each rank, in its environment.

        After the first failure the others get SIGTERM, and SIGKILL `grace_seconds` later. What they
        print goes to the descriptor `output`, or where this process prints.
        """
        self._grace_seconds = grace_seconds
        self._kill_at = float("inf")
        self._signalled = False
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._last_words: dict[int, int] = {}
        self._failures: list[Ending] = []
        bind = _bound_to_this_process()
        for rank, environment in environments.items():
            self._last_words[rank] = file = os.memfd_create(f"last word of rank {rank}")
            self._running[rank] = subprocess.Popen(
                command,
                env={**environment, termination.VARIABLE: f"/dev/fd/{file}"},
                pass_fds=[file],
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=bind,  # noqa: PLW1509  # the launcher has no threads
            )

    def attend(self, stop: StopFlag, watch: Callable[[], None] | None = None) -> Ending | None:
        """Wait until all ranks have ended; return the failure that is the cause, None for none.

        `watch` is called at every look at them.
        """
        while self._running:
            if watch is not None:
                watch()
            for rank in list(self._running):
                self._look_at(rank)
            if stop.reason in {number.name for number in SIGNALS}:  # a stop file they see
                self._signal_once(signal.Signals[stop.reason])
            if time.monotonic() > self._kill_at:
                self._kill()
            time.sleep(POLL_SECONDS)
        return cause(self._failures, stopped=stop.reason is not None)

    def _look_at(self, rank: int) -> None:
        status = self._running[rank].poll()
        if status is None:
            return
        del self._running[rank]
        ending = Ending(rank, status, self._last_word(rank))
        if status == 0:
            return
        self._failures.append(ending)
        if len(self._failures) == 1:
            self._kill_at = time.monotonic() + self._grace_seconds
            log.warning("rank ended", seen=str(ending), others=len(self._running))
            self._signal_once(signal.SIGTERM)

    def _last_word(self, rank: int) -> str:
        with os.fdopen(self._last_words.pop(rank), encoding="ascii") as file:
            return file.read()

    def _signal_once(self, number: signal.Signals) -> None:
        if not self._signalled:
            self._signalled = True
            for process in self._running.values():
                process.send_signal(number)

    def _kill(self) -> None:
        log.warning("ranks killed", ranks=sorted(self._running), after_seconds=self._grace_seconds)
        self._kill_at = float("inf")
        for process in self._running.values():
            process.kill()


def _bound_to_this_process() -> Callable[[], None]:
    """What a child does before anything else, to die when this process does."""
    prctl, launcher = ctypes.CDLL(None).prctl, os.getpid()

    def bind() -> None:  # pragma: no cover  # in the child, where no lines are counted
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it has died in between
            os._exit(0)

    return bind
