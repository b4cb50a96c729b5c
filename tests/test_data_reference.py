"""Claims about `job.data.reference`: the quickstart's road, and that the resident one equals it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import Lambda, ToTensor

from datasets import small_dataset
from job.data import source
from job.data.dataset import Dataset
from job.data.reference import LoadedBatches, loaded
from job.data.spec import DatasetSpec
from job.data.split import Batch, ResidentBatches, Split, in_order, plan_epoch

CPU = torch.device("cpu")
SIZE = 100


@pytest.fixture(scope="module")
def dataset(small_data: tuple[Path, DatasetSpec]) -> Dataset:
    """The small dataset, read as the job reads it."""
    folder, spec = small_data
    return source.read(spec, data_dir=folder, offline=True)


@pytest.fixture
def resident(dataset: Dataset) -> ResidentBatches:
    """The fast road over the first images, in batches that leave a rest."""
    split = Split.on(CPU, dataset.train_images[:SIZE], dataset.train_labels[:SIZE])
    return ResidentBatches(split, 16)


def _road(dataset: Dataset, *, one_hot: bool) -> LoadedBatches:
    images, labels = dataset.train_images[:SIZE], dataset.train_labels[:SIZE]
    return loaded(images, labels, 16, device=CPU, one_hot=one_hot)


def _require_same(seen: list[Batch], expected: list[Batch]) -> None:
    for (images, targets), (expected_images, expected_targets) in zip(seen, expected, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(targets, expected_targets)
        assert (images.dtype, targets.dtype) == (expected_images.dtype, expected_targets.dtype)


@pytest.mark.parametrize("horizontal_flip", [False, True])
@pytest.mark.parametrize("first", [0, 3, 6, 7])
def test_both_roads_give_the_same_batches(
    dataset: Dataset, resident: ResidentBatches, first: int, horizontal_flip: bool
) -> None:
    """Images and labels are equal to the bit, with flips too, and from any batch on."""
    plan = plan_epoch(1, 2, SIZE, horizontal_flip=horizontal_flip)
    reference = list(_road(dataset, one_hot=False).epoch(plan, first))

    assert len(reference) == 7 - first
    _require_same(list(resident.epoch(plan, first)), reference)


def test_both_roads_count_alike(dataset: Dataset, resident: ResidentBatches) -> None:
    """The smaller last batch counts on both."""
    reference = _road(dataset, one_hot=False)

    assert (len(reference), reference.images) == (len(resident), resident.images) == (7, SIZE)


def test_road_is_the_quickstarts_own(tmp_path: Path) -> None:
    """What torchvision makes of the files, and a plain loader, give the very same batches."""
    spec = small_dataset(tmp_path, train=20, test=10, gzip=False, layout="torchvision")
    read = source.read(spec, data_dir=tmp_path, offline=True)
    own = loaded(read.train_images, read.train_labels, 8, device=CPU, one_hot=True)
    quickstart = FashionMNIST(
        root=str(tmp_path),
        train=True,
        transform=ToTensor(),
        target_transform=Lambda(_one_hot_of_the_quickstart),
    )

    _require_same(list(own.epoch(in_order(20))), list(DataLoader(quickstart, batch_size=8)))


def test_one_hot_targets_are_the_quickstarts_lambda(dataset: Dataset) -> None:
    """Ten zeros with a one at the label, as float32."""
    batches = list(_road(dataset, one_hot=True).epoch(in_order(SIZE)))
    expected = [_one_hot_of_the_quickstart(int(label)) for label in dataset.train_labels[:SIZE]]

    assert torch.equal(torch.cat([targets for _, targets in batches]), torch.stack(expected))


def test_batches_arrive_on_the_device_that_was_named(dataset: Dataset) -> None:
    """Images and targets lie there; `meta` stands for any device that is not the CPU."""
    images, labels = dataset.train_images[:4], dataset.train_labels[:4]
    batches = loaded(images, labels, 2, device=torch.device("meta"), one_hot=False)

    for images_there, targets in batches.epoch(in_order(4)):
        assert {images_there.device.type, targets.device.type} == {"meta"}


def _one_hot_of_the_quickstart(y: int) -> Tensor:
    return torch.zeros(10, dtype=torch.float).scatter_(0, torch.tensor(y), value=1)


def test_colour_takes_the_quickstarts_road_as_well() -> None:
    """Pixels (N, C, H, W) are collated to what the resident road gives."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), np.uint8)
    labels = np.arange(5)
    batches = loaded(pixels, labels, 2, device=CPU, one_hot=False, classes=5)
    resident = ResidentBatches(Split.on(CPU, pixels, labels), 2)

    pairs = zip(batches.epoch(in_order(5)), resident.epoch(in_order(5)), strict=True)
    for (images, targets), (wanted, numbers) in pairs:
        assert torch.equal(images, wanted)
        assert torch.equal(targets, numbers)
