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
from job.errors import JobError
from job.world.loss import Loss, tell_loss, told_loss
from job.world.patience import Limits
from job.world.placement import Placement
from job.world.rendezvous import beat_key, heard_key, host_of

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
        self._count, self._unanswered = 0, 0
        watched = range(1, place.size) if place.is_main else [0]
        self._seen = dict.fromkeys(watched, (b"", 0))
        self._loss: Loss | None = None
        self._lost_at = 0.0
        self._lost, self._suspected = threading.Event(), threading.Event()
        self._ended = threading.Event()
        for task in (self._talk, self._watch):
            threading.Thread(target=task, name=f"beats {task.__name__}", daemon=True).start()

    @property
    def loss(self) -> str | None:
        """Which rank was lost and how that showed; None while all are alive."""
        return None if self._loss is None else self._loss.seen

    def explain(self, trouble: str) -> JobError:
        """The error for an exchange that failed with `trouble`, as soon as it is known whose fault.

        Returns two beats after that, so that the rank that failed ends before those that leave
        because of it, and none of these is blamed.
        """
        self._suspected.set()
        self._lost.wait(2 * self._limits.suspicion + 3 * self._limits.beat)
        self.end()
        time.sleep(max(self._lost_at + 2 * self._limits.beat - time.monotonic(), 0))
        unnamed = Loss(f"the connection to another rank broke: {trouble}")
        return (self._loss or unnamed).error(FIX)

    def end(self) -> None:
        """Give the main thread the last word, and no signs of life any more."""
        self._ended.set()

    def _talk(self) -> None:
        while not self._ended.wait(self._limits.beat):
            try:
                loss = self._beat()
            except RuntimeError:
                loss = Loss(f"rank 0 on {self._main_host}: its store is gone")
            if loss is not None:
                self._conclude(loss)
                return
            self._unanswered = 0

    def _beat(self) -> Loss | None:
        self._count += 1
        self._store.set(beat_key(self._place.rank), str(self._count))
        if self._suspected.is_set():
            self._store.set(SUSPICION, "yes")
        elif self._store.check([SUSPICION]):
            self._suspected.set()
        loss = told_loss(self._store) or self._silent_rank()
        return None if loss is None else self._repeat(loss)

    def _repeat(self, loss: Loss) -> Loss:
        first = tell_loss(self._store, loss)
        self._store.set(heard_key(self._place.rank), "yes")
        return first

    def _silent_rank(self) -> Loss | None:
        beats = self._store.multi_get([beat_key(rank) for rank in self._seen])
        for rank, beat in zip(self._seen, beats, strict=True):
            last, looks = self._seen[rank]
            self._seen[rank] = (beat, looks + 1 if beat == last else 0)
        silent = [rank for rank, (_, looks) in self._seen.items() if looks > self._patience]
        named = (f"rank {rank} on {host_of(self._store, rank)}" for rank in silent)
        return Loss(f"{', '.join(named)}: no sign of life") if silent else None

    @property
    def _patience(self) -> float:
        """In looks, not seconds: whoever was suspended has not looked meanwhile."""
        limits = self._limits
        seconds = limits.suspicion if self._suspected.is_set() else limits.silence
        return seconds / limits.beat

    def _watch(self) -> None:
        """See that rank 0's store answers, and that the main thread leaves after a loss."""
        while not self._lost.wait(self._limits.beat) and not self._ended.is_set():
            self._unanswered += 1
            if self._unanswered > self._patience:
                self._conclude(Loss(f"rank 0 on {self._main_host}: no sign of life"))
        if self._loss is not None and not self._ended.wait(self._limits.leave):
            self._leave(self._loss.error(FIX))

    def _conclude(self, loss: Loss) -> None:
        if self._ended.is_set():
            return
        self._loss, self._lost_at = self._loss or loss, time.monotonic()
        log.error("rank lost", rank=self._place.rank, lost=self.loss)
        self._lost.set()
