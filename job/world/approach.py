"""The way to the meeting: a rank that fails on it tells those that will wait for it there."""

from types import TracebackType
from typing import Self

from job.errors import InterruptedRunError, JobError
from job.stop import StopFlag
from job.world.patience import Limits
from job.world.placement import Placement


class Approach:
    """What a rank does before it meets the others; alone it is nothing."""

    def __init__(self, placement: Placement, stop: StopFlag, limits: Limits | None = None) -> None:
        """Begin with nobody waiting."""
        self._placement, self._stop, self._limits = placement, stop, limits or Limits()
        self._ended = placement.size == 1

    def end(self) -> None:
        """From here on the world tells the others itself."""
        self._ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """A stop is not told: it comes to all ranks, or to one that will be started anew."""
        if self._ended or not isinstance(error, JobError) or isinstance(error, InterruptedRunError):
            return
        from job.world.loss import Loss  # noqa: PLC0415  # torch takes two seconds
        from job.world.rendezvous import call_off  # noqa: PLC0415

        loss = Loss.by(error, self._placement.rank)
        call_off(self._placement, loss, self._stop, self._limits)
