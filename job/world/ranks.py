"""A world of several ranks, which talk through torch's process group."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

from job.errors import InterruptedRunError, JobError
from job.stop import StopFlag
from job.world.beats import Beats, Leave
from job.world.group import World
from job.world.loss import Loss, tell_loss
from job.world.nccl import leave_failures_to_beats
from job.world.patience import LOOK_SECONDS, Limits, Patience
from job.world.placement import Placement
from job.world.rendezvous import (
    await_hearers,
    meet,
    open_store,
    require_own_address,
    visit_store,
)

log = structlog.get_logger()


class Ranks(World):
    """See `World`; entering it waits for the others, leaving it, too, unless this rank failed."""

    _store: Store
    _beats: Beats

    def __init__(
        self,
        placement: Placement,
        device: torch.device,
        stop: StopFlag,
        limits: Limits,
        leave: Leave,
    ) -> None:
        """Open nothing yet."""
        super().__init__(placement)
        self.gpu = uuid_of(device)
        self._device, self._stop, self._limits, self._leave = device, stop, limits, leave

    @property
    def loss(self) -> str | None:
        """Which rank was lost."""
        return self._beats.loss

    def __enter__(self) -> Self:
        place, limits = self.placement, self._limits
        patience = Patience(limits.rendezvous, self._stop)
        try:
            self._store = open_store(place, patience, limits)
            self._meet(patience)
            self._beats = Beats(visit_store(place, limits), place, limits, self._leave)
        except RuntimeError as error:
            raise InterruptedRunError(
                f"rank 0 left before all ranks had met: {_first_line(error)}",
                fix="its log has the reason; run the same command again",
            ) from error
        with self._together():
            self._start_group()
        log.info("ranks have met", size=self.size, nodes=place.nodes, source=place.source)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """A stop is agreed on, so that ranks that stop wait for each other like those that end."""
        if error is None:
            self._part()
        elif isinstance(error, InterruptedRunError) and self.loss is None:
            with contextlib.suppress(JobError):  # the one that comes through is `error`
                self._part()
        elif self.loss is None:
            self._call_off(error, self._limits.leave)
        self._beats.end()

    def sum(self, tensor: Tensor) -> Tensor:
        """All ranks' sum."""
        with self._together():
            dist.all_reduce(tensor)
        return tensor

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Rank 0's tensor."""
        with self._together():
            dist.broadcast(tensor, src=0)
        return tensor

    def broadcast_text(self, text: str) -> str:
        """Rank 0's text, as its length and its bytes in UTF-8."""
        data = text.encode()
        length = int(self.broadcast(torch.tensor(len(data))))
        room = torch.zeros(length, dtype=torch.uint8)
        if self.is_main:
            room = torch.tensor(list(data), dtype=torch.uint8)
        return bytes(self.broadcast(room).tolist()).decode()

    def most(self, numbers: Sequence[int]) -> list[int]:
        """The largest of all ranks' in one exchange."""
        votes = torch.tensor(numbers, dtype=torch.int64)
        with self._together():
            dist.all_reduce(votes, op=dist.ReduceOp.MAX)
        return list(map(int, votes.tolist()))

    def barrier(self) -> None:
        """An exchange of nothing, through gloo: NCCL's barrier needs to be told of a GPU."""
        self.sum(torch.zeros(1))

    def _meet(self, patience: Patience) -> None:
        try:
            require_own_address(self.placement, patience)
            meet(self._store, self.placement, self._device.type, patience, self.gpu)
        except JobError as error:
            self._call_off(error, self._limits.farewell)
            raise

    def _call_off(self, error: BaseException, seconds: float) -> None:
        """Let the others know why this rank leaves, while the store is there.

        It may be stopped because another one has failed, and have heard of that only by now.
        """
        with contextlib.suppress(RuntimeError, InterruptedRunError):  # nobody is left to hear it
            first = tell_loss(self._store, Loss.by(error, self.rank))
            if isinstance(error, JobError):
                error.unfit_node = error.unfit_node or first.unfit_node
            await_hearers(self._store, self.placement, Patience(seconds, self._stop))

    def _start_group(self) -> None:
        leave_failures_to_beats(os.environ, self._device.type)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if self._device.type == "cuda" else "gloo",
            store=PrefixStore("torch", self._store),
            rank=self.rank,
            world_size=self.size,
            timeout=timedelta(seconds=self._limits.collective),
        )

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        if self.loss is not None:
            raise self._beats.explain(self.loss)
        try:
            yield
        except RuntimeError as error:
            raise self._beats.explain(_first_line(error)) from error

    def _part(self) -> None:
        """Leave when all are ready to; rank 0, which holds the store, when all are gone."""
        self.barrier()
        self._beats.end()
        dist.destroy_process_group()
        parted = self._store.add("parted", 1)
        until = time.monotonic() + self._limits.leave
        while self.is_main and parted < self.size and time.monotonic() < until:
            time.sleep(LOOK_SECONDS / 10)
            parted = self._store.add("parted", 0)


def uuid_of(device: torch.device) -> str | None:
    """By what all ranks know a GPU; with MIG on, the instance of one."""
    if device.type != "cuda":
        return None
    return str(torch.cuda.get_device_properties(device).uuid)


def _first_line(error: RuntimeError) -> str:
    return str(error).partition("\n")[0]
