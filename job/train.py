"""The training loop, as a generator: it yields, its caller decides.

Saving, logging, evaluating and stopping happen outside; no file, signal or environment is touched
here.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from job.data.split import Batches, EpochPlan
from job.step import Step


class Position(NamedTuple):
    """Where a run stands: whole epochs done, and batches done of the one after them."""

    epoch: int
    batch: int


START: Final = Position(0, 0)


def train(
    step: Step,
    batches: Batches,
    plan: Callable[[int], EpochPlan],
    epochs: int,
    start: Position,
) -> Iterator[Position]:
    """Yield the position each time the weights are whole, at the end of every epoch for certain.

    A batch that was yielded as done is never trained on again by a run that starts there.
    """
    for epoch in range(start.epoch, epochs):
        first = start.batch if epoch == start.epoch else 0
        if first == len(batches):  # stopped between the last batch and the end of the epoch
            yield Position(epoch, first)
            continue
        rest = batches.epoch(plan(epoch), first)
        for done in step.run(rest, epoch * len(batches) + first):
            yield Position(epoch, first + done)
