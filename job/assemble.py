"""Builds the parts of a run from the settings: the one place where names of settings meet types."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from job.data.dataset import Dataset
from job.data.split import Batches, ResidentBatches, Share, Split, in_order
from job.errors import SettingsError
from job.lease import Lease
from job.model import MLP, Wanted, make, plain_copy, require_fit
from job.own_code import refusal
from job.pretrained import Start, begin, is_file
from job.schedule import Schedule, constant, one_cycle
from job.session import Session
from job.settings import Settings
from job.step import Update, make_step
from job.weights import to_pt2
from job.world import ALONE, World

EVALUATION_BATCH_SIZE: Final = 5000  # of the quickstart's network; others fill the memory sooner
COMPARED_IMAGES: Final = 64
COMPARED_IMAGES_OF_OTHERS: Final = 8
SMALLEST_NORMALISED_BATCH: Final = 2


@dataclass(frozen=True)
class Trainee:
    """The network with its run in progress, and the test set that judges it.

    `wanted` is what the network was built from, `start` the weights that it began with, if any.
    """

    network: nn.Module
    session: Session
    test: Batches
    wanted: Wanted
    start: Start | None = None

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return self.wanted.classes

    def fixed_batch(self) -> Tensor:
        """The first images of the test set, on the CPU, which all files of weights are tried on."""
        images, _ = next(iter(self.test.epoch(in_order(self.test.images))))
        few = COMPARED_IMAGES if self.wanted.is_quickstarts else COMPARED_IMAGES_OF_OTHERS
        return images[:few].cpu()


def make_trainee(  # noqa: PLR0913  # what a run is made of
    settings: Settings,
    dataset: Dataset,
    device: torch.device,
    world: World = ALONE,
    *,
    lease: Lease | None = None,
    start: Start | None = None,
) -> Trainee:
    """Build the network on `device`, the step that trains it, and this rank's share of the data.

    What is saved of it is saved under the `lease`. Raises `SettingsError` for a network that does
    not fit the data, `DataError` for a `start` that does not fit the network.
    """
    wanted = want(settings, dataset)
    network = _make_network(wanted, settings.seed, device, start)
    share = Share(world.rank, world.size)
    batches, test = _make_batches(settings, dataset, device, share)
    _require_statistics(network, share, batches)
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
        settings=settings.training_values() | _identities(settings, dataset, start),
        world=world,
        lease=lease or Lease(),
    )
    return Trainee(network, session, test, wanted, start)


def want(settings: Settings, dataset: Dataset) -> Wanted:
    """Describe the network that the settings ask for, for these data."""
    named = settings.model_weights is not None and not is_file(settings.model_weights)
    return Wanted(
        name=settings.model,
        shape=dataset.shape,
        classes=len(dataset.classes),
        dropout=settings.dropout,
        image_size=settings.image_size,
        weights=settings.model_weights if named else None,
    )


def _make_network(
    wanted: Wanted, seed: int, device: torch.device, start: Start | None
) -> nn.Module:
    network = make(wanted, seed, device)
    if not wanted.is_quickstarts:
        require_fit(network, wanted)
    if wanted.is_own:
        _require_exportable(network, wanted)
    if start is not None:
        begin(network, start, wanted.classes)
    return network


def _require_exportable(network: nn.Module, wanted: Wanted) -> None:
    """Know it before the training and not after it."""
    try:
        to_pt2(plain_copy(network), wanted.shape)
    except Exception as error:
        # torch.export has a hundred reasons, each of its own class.
        cause = f"torch.export cannot make a program of it: {str(error).splitlines()[0]}"
        raise refusal("JOB_MODEL", wanted.name, cause) from error


def _identities(settings: Settings, dataset: Dataset, start: Start | None) -> dict[str, str]:
    """Digests of what the settings only name, so that a run goes on with the same."""
    identities = {}
    if settings.dataset != Settings.model_fields["dataset"].default:
        digests = " ".join(f"{name} {digest}" for name, digest in sorted(dataset.digests.items()))
        identities["dataset_sha256"] = hashlib.sha256(digests.encode()).hexdigest()
    if start is not None:
        identities["model_weights_sha256"] = start.sha256
    return identities


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
    judged = EVALUATION_BATCH_SIZE if settings.model == MLP else settings.batch_size
    return (
        ResidentBatches(Split.on(device, *train_set), settings.batch_size, share),
        ResidentBatches(Split.on(device, *test_set), share.fit(tested, judged), share),
    )


def _require_statistics(network: nn.Module, share: Share, batches: Batches) -> None:
    """Refuse a batch of one image, which has no variance for a batch norm to divide by."""
    last = (batches.images % batches.batch_size or batches.batch_size) // share.size
    normalises = any(isinstance(module, _BatchNorm) for module in network.modules())
    if normalises and last < SMALLEST_NORMALISED_BATCH:
        raise SettingsError(
            f"JOB_BATCH_SIZE={batches.batch_size} of {batches.images} images leaves a last batch of"
            " one image on some rank, which batch normalisation cannot learn from",
            allowed=f"at least {SMALLEST_NORMALISED_BATCH} images of every batch on each rank",
            fix="set JOB_BATCH_SIZE to another number, for one to a number that divides the images",
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
        random=settings.model != MLP,
    )
