"""`World`: the ranks of a run and what they tell each other. Alone, all of it is identity."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from job.stop import StopFlag
from job.world.patience import Limits
from job.world.placement import LOOPBACK, Placement

if TYPE_CHECKING:
    from torch import Tensor, device

    from job.world.beats import Leave


class World:
    """A world of one rank, and the contract of larger ones: all ranks make the same calls.

    Each call returns when all ranks have made it, or raises an error that names the rank that was
    lost: `InterruptedRunError`, or that rank's own where trying again is of no use.
    """

    def __init__(self, placement: Placement) -> None:
        """Know the place of this rank."""
        self.placement = placement

    @property
    def rank(self) -> int:
        """The number of this rank, from 0."""
        return self.placement.rank

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.placement.size

    @property
    def is_main(self) -> bool:
        """Whether this is the one rank that writes files."""
        return self.placement.is_main

    @property
    def loss(self) -> str | None:
        """Which rank was lost; then no call succeeds any more, and weights may not be whole."""
        return None

    def sum(self, tensor: "Tensor") -> "Tensor":
        """Replace `tensor`, on any device, by the sum of all ranks' and return it."""
        return tensor

    def broadcast(self, tensor: "Tensor") -> "Tensor":
        """Replace `tensor`, on any device, by rank 0's and return it."""
        return tensor

    def broadcast_text(self, text: str) -> str:
        """Rank 0's text."""
        return text

    def most(self, numbers: Sequence[int]) -> list[int]:
        """Of each number, the largest of any rank; every rank gives as many."""
        return list(numbers)

    def agree(self, flags: Sequence[bool]) -> tuple[bool, ...]:
        """Of each flag, whether it is set on any rank; every rank gives as many."""
        return tuple(map(bool, self.most(flags)))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return self.agree([flag])[0]

    def barrier(self) -> None:
        """Wait until all ranks are here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave together, or at once because of an error of this rank alone."""


ALONE: Final = World(
    Placement(
        rank=0,
        size=1,
        local_rank=0,
        local_size=1,
        node=0,
        nodes=1,
        master_address=LOOPBACK,
        master_port=0,
        source="alone",
    )
)


def join(
    placement: Placement,
    device: "device",
    stop: StopFlag,
    *,
    limits: Limits | None = None,
    leave: "Leave | None" = None,
) -> World:
    """The world that `placement` is in, to be entered with `with`, which waits for all ranks.

    Tensors on `device` are exchanged by NCCL on GPUs, all others and everything else by gloo.
    `leave` ends the process from another thread when a rank was lost and the main thread is stuck.
    Entering raises `InterruptedRunError` after a stop, or if the others do not come in time;
    `SettingsError` or `UnfitNodeError` if they are of another mind, and as any call if one failed.
    """
    if placement.size == 1:
        return World(placement)
    from job.world.beats import leave_at_once  # noqa: PLC0415  # torch takes two seconds
    from job.world.ranks import Ranks  # noqa: PLC0415

    return Ranks(placement, device, stop, limits or Limits(), leave or leave_at_once)
