"""How often ranks agree while batches pass: by time, as a batch takes microseconds or minutes."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from job.world.group import World

# Of two gloo ranks an agreement takes 0.4 ms, of four 1.0; a stop may wait for as long as this.
SECONDS: Final = 0.25
# So that batches which become slower by a thousand times are not waited for by the thousand.
MOST_BATCHES: Final = 256


class Pace:
    """Of one loop over batches: after which of them the ranks agree, the same ones on all ranks.

    Each rank proposes how many batches it can pass in `seconds`, at most twice as many as before
    and `MOST_BATCHES`, and the least proposal counts. Alone, each batch is one.
    """

    def __init__(
        self,
        world: World,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an agreement after the first batch."""
        self._world, self._seconds, self._clock = world, seconds, clock
        self._interval, self._passed = 1, 0
        self._began = clock()

    def agree(self, flags: Sequence[bool]) -> tuple[bool, ...]:
        """Of each flag, whether it is set on any rank; none is while no agreement is due.

        All ranks call this after each batch. Raises what `World.most` raises.
        """
        if self._world.size == 1:
            return tuple(flags)
        self._passed += 1
        if self._passed < self._interval:
            return (False,) * len(flags)
        *agreed, least = self._world.most([*flags, -self._proposal()])
        self._interval, self._passed, self._began = -least, 0, self._clock()
        return tuple(map(bool, agreed))

    def _proposal(self) -> int:
        elapsed = self._clock() - self._began
        if 2 * elapsed <= self._seconds:
            return min(2 * self._interval, MOST_BATCHES)
        return max(int(self._interval * self._seconds / elapsed), 1)
