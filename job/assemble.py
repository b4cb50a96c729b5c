"""Builds the parts of a run from the settings: the one place where names of settings meet types."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch

from job import model
from job.data.dataset import Dataset
from job.data.split import Batches, ResidentBatches, Share, Split
from job.errors import SettingsError
from job.lease import Lease
from job.schedule import Schedule, constant, one_cycle
from job.session import Session
from job.settings import Settings
from job.step import Update, make_step
from job.world import ALONE, World

EVALUATION_BATCH_SIZE: Final = 5000


@dataclass(frozen=True)
class Trainee:
    """The network with its run in progress, and the test set that judges it."""

    network: model.NeuralNetwork
    session: Session
    test: Batches
    classes: int


def make_trainee(
    settings: Settings,
    dataset: Dataset,
    device: torch.device,
    world: World = ALONE,
    lease: Lease | None = None,
) -> Trainee:
    """Build the network on `device`, the step that trains it, and this rank's share of the data.

    What is saved of it is saved under the `lease`.
    """
    inputs, classes = math.prod(dataset.shape), len(dataset.classes)
    network = model.build(settings.seed, settings.dropout, device, inputs, classes)
    batches, test = _make_batches(settings, dataset, device, Share(world.rank, world.size))
    schedule = _make_schedule(settings, len(batches))
    session = Session(
        step=make_step(
            network,
            _make_update(settings, schedule),
            settings.batch_size,
            kind=settings.step,
            precision=settings.precision,
            resident=settings.pipeline == "resident",
            world=world,
        ),
        batches=batches,
        schedule=schedule,
        output_dir=settings.output_dir,
        keep_checkpoints=settings.keep_checkpoints,
        settings=settings.training_values(),
        world=world,
        lease=lease or Lease(),
    )
    return Trainee(network, session, test, classes)


def _make_batches(
    settings: Settings, dataset: Dataset, device: torch.device, share: Share
) -> tuple[Batches, Batches]:
    train_set = dataset.train_images, dataset.train_labels
    test_set = dataset.test_images, dataset.test_labels
    _require_fit(share, len(dataset.train_labels), settings.batch_size)
    tested = len(dataset.test_labels)
    if settings.pipeline == "dataloader":
        from job.data.reference import loaded  # noqa: PLC0415  # torchvision takes two seconds

        road = partial(
            loaded,
            device=device,
            one_hot=settings.one_hot_targets,
            classes=len(dataset.classes),
            share=share,
        )
        size = share.fit(tested, settings.batch_size)
        return road(*train_set, settings.batch_size), road(*test_set, size)
    size = share.fit(tested, EVALUATION_BATCH_SIZE)
    return (
        ResidentBatches(Split.on(device, *train_set), settings.batch_size, share),
        ResidentBatches(Split.on(device, *test_set), size, share),
    )


def _require_fit(share: Share, images: int, batch_size: int) -> None:
    if not share.fits(images, batch_size):
        last = images % batch_size or batch_size
        raise SettingsError(
            f"JOB_BATCH_SIZE={batch_size}, the last batch of {last}, for {share.size} ranks",
            allowed=f"a multiple of {share.size} that leaves each rank an image of the last batch",
            fix="set JOB_BATCH_SIZE, or start another number of ranks",
        )


def _make_schedule(settings: Settings, batches: int) -> Schedule:
    if settings.schedule == "one-cycle":
        return one_cycle(settings.learning_rate, settings.epochs * batches)
    return constant(settings.learning_rate)


def _make_update(settings: Settings, schedule: Schedule) -> Update:
    return Update(
        optimizer=settings.optimizer,
        schedule=schedule,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        dropout=settings.dropout,
        seed=settings.seed,
    )
