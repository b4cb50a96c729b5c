"""The loop yields, and starts where it is told to."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from job.data.source import read
from job.data.spec import DatasetSpec
from job.data.split import Batch, EpochPlan, ResidentBatches, Split, plan_epoch
from job.train import START, Position, train

BATCHES_PER_EPOCH = 7


class Recorder:
    """A step that trains nothing and remembers what it was given."""

    name = "recorder"

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.first_steps: list[int] = []
        self.seen: list[Tensor] = []

    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Note the labels of each batch."""
        self.first_steps.append(first_step)
        for done, (_, labels) in enumerate(batches, start=1):
            self.seen.append(labels)
            yield done

    def take_loss(self) -> float:
        """No loss."""
        return 0.0

    def state(self) -> dict[str, Tensor]:
        """No state."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Nothing to load."""


@pytest.fixture
def batches(small_data: tuple[Path, DatasetSpec]) -> ResidentBatches:
    """640 images in batches of 100: seven an epoch, the last of 40."""
    folder, spec = small_data
    dataset = read(spec, data_dir=folder, offline=True)
    split = Split.on(torch.device("cpu"), dataset.train_images, dataset.train_labels)
    return ResidentBatches(split, 100)


def plan(epoch: int) -> EpochPlan:
    """The order of an epoch over the small dataset."""
    return plan_epoch(0, epoch, 640, horizontal_flip=False)


def test_every_position_is_yielded_in_order(batches: ResidentBatches) -> None:
    """One position after each batch, the end of each epoch among them."""
    positions = list(train(Recorder(), batches, plan, 2, START))

    assert positions == [
        Position(epoch, batch) for epoch in (0, 1) for batch in range(1, BATCHES_PER_EPOCH + 1)
    ]


def test_run_from_a_position_trains_on_exactly_the_rest(batches: ResidentBatches) -> None:
    """What was done before is not done again, and nothing is left out."""
    whole, rest = Recorder(), Recorder()
    list(train(whole, batches, plan, 3, START))

    list(train(rest, batches, plan, 3, Position(1, 4)))

    expected = whole.seen[BATCHES_PER_EPOCH + 4 :]
    assert all(torch.equal(a, b) for a, b in zip(expected, rest.seen, strict=True))
    assert rest.first_steps == [BATCHES_PER_EPOCH + 4, 2 * BATCHES_PER_EPOCH]


def test_run_from_the_end_of_an_epoch_yields_that_end_first(batches: ResidentBatches) -> None:
    """A stop between the last batch and its evaluation leaves that to the next attempt."""
    start = Position(0, BATCHES_PER_EPOCH)
    recorder = Recorder()

    positions = list(train(recorder, batches, plan, 1, start))

    assert positions == [start]
    assert recorder.seen == []


def test_finished_run_yields_nothing(batches: ResidentBatches) -> None:
    """All epochs done means nothing to do."""
    assert list(train(Recorder(), batches, plan, 2, Position(2, 0))) == []
