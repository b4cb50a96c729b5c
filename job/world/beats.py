"""Signs of life: every rank gives one each second, and one that gives none is named.

gloo notices a broken connection at once, but not whose; NCCL, and either of them before a rank that
was stopped or a host that lost its power, would wait for many minutes. Rank 0 watches all ranks,
and all watch rank 0. The main thread may be stuck in a library then, so that this one must be able
to end the process.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from torch.distributed.distributed_c10d import Store

from job import termination
from job.errors import InterruptedRunError, JobError
from job.world.patience import Limits
from job.world.placement import Placement
from job.world.rendezvous import beat_key, host_of, tell_loss, told_loss

FIX: Final = "look into the log of that rank and its host; run the same command to go on"
SUSPICION: Final = "suspicion"

Leave = Callable[[JobError], None]
log = structlog.get_logger()


def leave_at_once(error: JobError) -> None:
    """End the process from any thread; the log is flushed at every line anyway."""
    termination.report(error)
    sys.stderr.flush()
    os._exit(error.exit_code)


class Beats:
    """The signs of life of this rank, and of those that it watches."""

    def __init__(self, store: Store, place: Placement, limits: Limits, leave: Leave) -> None:
        """Begin, when all ranks have met; nothing else may use this connection to the `store`."""
        self._store, self._place, self._limits, self._leave = store, place, limits, leave
        self._main_host = host_of(store, 0)
        self._count = 0
        self._answered = time.monotonic()
        watched = range(1, place.size) if place.is_main else [0]
        self._seen = dict.fromkeys(watched, (b"", self._answered))
        self._loss: str | None = None
        self._lost_at = 0.0
        self._lost, self._suspected = threading.Event(), threading.Event()
        self._ended = threading.Event()
        for task in (self._talk, self._watch):
            threading.Thread(target=task, name=f"beats {task.__name__}", daemon=True).start()

    @property
    def loss(self) -> str | None:
        """Which rank was lost and how that showed; None while all are alive."""
        return self._loss

    def explain(self, trouble: str) -> InterruptedRunError:
        """The error for an exchange that failed with `trouble`, as soon as it is known whose fault.

        Returns two beats after that, so that the rank that failed ends before those that leave
        because of it, and none of these is blamed.
        """
        self._suspected.set()
        self._lost.wait(2 * self._limits.suspicion + 3 * self._limits.beat)
        self.end()
        time.sleep(max(self._lost_at + 2 * self._limits.beat - time.monotonic(), 0))
        seen = self.loss or f"the connection to another rank broke: {trouble}"
        return InterruptedRunError(seen, fix=FIX)

    def end(self) -> None:
        """Give the main thread the last word, and no signs of life any more."""
        self._ended.set()

    def _talk(self) -> None:
        while not self._ended.wait(self._limits.beat):
            try:
                loss = self._beat()
            except RuntimeError:
                loss = f"rank 0 on {self._main_host}: its store is gone"
            if loss is not None:
                self._conclude(loss)
                return
            self._answered = time.monotonic()

    def _beat(self) -> str | None:
        self._count += 1
        self._store.set(beat_key(self._place.rank), str(self._count))
        if self._suspected.is_set():
            self._store.set(SUSPICION, "yes")
        elif self._store.check([SUSPICION]):
            self._suspected.set()
        loss = told_loss(self._store) or self._silent_rank()
        return None if loss is None else tell_loss(self._store, loss)

    def _silent_rank(self) -> str | None:
        beats = self._store.multi_get([beat_key(rank) for rank in self._seen])
        now = time.monotonic()
        for rank, beat in zip(self._seen, beats, strict=True):
            last, since = self._seen[rank]
            self._seen[rank] = (beat, since if beat == last else now)
        silent = [rank for rank, (_, since) in self._seen.items() if now - since > self._patience]
        named = (f"rank {rank} on {host_of(self._store, rank)}" for rank in silent)
        return f"{', '.join(named)}: no sign of life" if silent else None

    @property
    def _patience(self) -> float:
        limits = self._limits
        return limits.suspicion if self._suspected.is_set() else limits.silence

    def _watch(self) -> None:
        """See that rank 0's store answers, and that the main thread leaves after a loss."""
        while not self._lost.wait(self._limits.beat) and not self._ended.is_set():
            if time.monotonic() - self._answered > self._patience:
                self._conclude(f"rank 0 on {self._main_host}: no sign of life")
        if self._lost.is_set() and not self._ended.wait(self._limits.leave):
            self._leave(InterruptedRunError(self._loss or "", fix=FIX))

    def _conclude(self, loss: str) -> None:
        if self._ended.is_set():
            return
        self._loss, self._lost_at = self._loss or loss, time.monotonic()
        log.error("rank lost", rank=self._place.rank, lost=self._loss)
        self._lost.set()
