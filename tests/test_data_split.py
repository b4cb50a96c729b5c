"""Claims about `job.data.split`."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import ToTensor

from job.data import split
from job.data.split import (
    Batch,
    EpochPlan,
    ResidentBatches,
    Split,
    as_input,
    epoch_flips,
    epoch_order,
    in_order,
    mirror,
    plan_epoch,
)

CPU = torch.device("cpu")


def _split(images: int) -> Split:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, 28, 28), np.uint8)
    return Split.on(CPU, pixels, random.integers(0, 10, images, np.uint8))


def _same(seen: list[Batch], expected: list[Batch]) -> bool:
    pairs = zip(seen, expected, strict=True)
    return all(torch.equal(a, b) for batches in pairs for a, b in zip(*batches, strict=True))


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_epoch_order_is_a_permutation(size: int) -> None:
    """Every image is seen once in an epoch."""
    assert epoch_order(0, 0, size).sort().values.tolist() == list(range(size))


def test_plan_is_pure() -> None:
    """Neither torch's global generator nor what was planned before changes it."""
    expected = plan_epoch(5, 3, 100, horizontal_flip=True)
    torch.manual_seed(1)
    plan_epoch(5, 2, 100, horizontal_flip=True)
    seen = plan_epoch(5, 3, 100, horizontal_flip=True)

    assert expected.flips is not None
    assert seen.flips is not None
    assert torch.equal(seen.order, expected.order)
    assert torch.equal(seen.flips, expected.flips)


def test_planning_leaves_the_global_generator_alone() -> None:
    """Dropout draws the same numbers whether an epoch was planned before or not."""
    before = torch.random.get_rng_state()
    plan_epoch(0, 0, 100, horizontal_flip=True)

    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("draw", [epoch_order, epoch_flips])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0), (1, 1)])
def test_epochs_and_seeds_differ(
    draw: Callable[[int, int, int], Tensor], seed: int, epoch: int
) -> None:
    """No two epochs of a run, and no two runs, go the same way."""
    assert not torch.equal(draw(seed, epoch, 100), draw(0, 0, 100))


def test_order_of_an_epoch_never_changes_between_versions() -> None:
    """A checkpoint goes on under a later version of the job with the images that were left."""
    assert epoch_order(0, 0, 8).tolist() == [3, 2, 5, 1, 7, 4, 6, 0]


def test_about_half_of_the_images_are_mirrored() -> None:
    """The coin is fair."""
    assert 0.48 < epoch_flips(0, 0, 10_000).double().mean() < 0.52


def test_plan_without_flips_mirrors_nothing() -> None:
    """The quickstart does not flip, and neither does the evaluation."""
    assert plan_epoch(0, 0, 10, horizontal_flip=False).flips is None
    assert in_order(10).flips is None


def test_in_order_takes_the_images_as_they_lie() -> None:
    """Image by image, label by label."""
    split = _split(10)
    images, labels = zip(*ResidentBatches(split, 4).epoch(in_order(10)), strict=True)

    assert torch.equal(torch.cat(images), as_input(split.images))
    assert torch.equal(torch.cat(labels), split.labels)


def test_batches_follow_the_plan() -> None:
    """An image comes with its own label, at its place in the order."""
    split = _split(10)
    order = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    batches = list(ResidentBatches(split, 3).epoch(EpochPlan(order, None)))

    assert torch.equal(batches[1][0], as_input(split.images[[0, 5, 9]]))
    assert torch.equal(batches[1][1], split.labels[[0, 5, 9]])


def test_flips_follow_the_images_and_not_their_places() -> None:
    """Whether an image is mirrored is told by its index, whatever the order."""
    split = _split(4)
    flips = torch.tensor([True, False, False, True])
    plan = EpochPlan(torch.tensor([2, 3, 0, 1]), flips)
    (images, _), *_ = ResidentBatches(split, 4).epoch(plan)
    plain = as_input(split.images)

    assert torch.equal(images[1], plain[3].flip(-1))
    assert torch.equal(images[2], plain[0].flip(-1))
    assert torch.equal(images[[0, 3]], plain[[2, 1]])


def test_ragged_last_batch_is_kept() -> None:
    """What does not fill a batch is trained on all the same, and is counted."""
    batches = ResidentBatches(_split(10), 4)

    assert [len(labels) for _, labels in batches.epoch(in_order(10))] == [4, 4, 2]
    assert (len(batches), batches.images, batches.batch_size) == (3, 10, 4)


def test_full_last_batch_is_not_followed_by_an_empty_one() -> None:
    """Eight images are two batches of four."""
    batches = ResidentBatches(_split(8), 4)

    assert len(list(batches.epoch(in_order(8)))) == len(batches) == 2


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_epoch_from_a_batch_on_is_the_tail_of_the_whole(first: int) -> None:
    """A resumed epoch sees to the bit what the interrupted one had left, flips included."""
    batches, plan = ResidentBatches(_split(10), 4), plan_epoch(1, 2, 10, horizontal_flip=True)

    assert _same(list(batches.epoch(plan, first)), list(batches.epoch(plan))[first:])


def test_input_equals_to_tensor_for_every_grey() -> None:
    """Pixels become the very numbers that the quickstart's transform gives."""
    pixels = torch.arange(256, dtype=torch.uint8).repeat(4)[: 28 * 28].view(28, 28)

    assert torch.equal(as_input(pixels.unsqueeze(0))[0], ToTensor()(pixels.numpy()))


def test_input_leaves_the_pixels_alone() -> None:
    """The split is the same after any number of epochs."""
    split = _split(3)
    before = split.images.clone()
    list(ResidentBatches(split, 2).epoch(EpochPlan(torch.arange(3), torch.ones(3) > 0)))

    assert torch.equal(split.images, before)


def test_mirror_flips_from_left_to_right() -> None:
    """The picture stays upright."""
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])

    assert mirror(image, torch.tensor([True])).tolist() == [[[[2, 1], [4, 3]]]]
    assert torch.equal(mirror(image, torch.tensor([False])), image)


def test_split_copies_read_only_arrays() -> None:
    """The verified bytes may be read-only; the tensors are writable and their own."""
    pixels = np.zeros((2, 28, 28), np.uint8)
    pixels.flags.writeable = False
    split = Split.on(CPU, pixels, np.array([1, 2], np.uint8))
    split.images.fill_(7)

    assert not pixels.any()
    assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
    assert len(split) == 2


def test_colour_becomes_input_like_grey() -> None:
    """Pixels (N, C, H, W) keep their channels, and come in [0, 1]."""
    pixels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)

    assert torch.equal(as_input(pixels), pixels / 255)
    assert torch.equal(as_input(pixels[:, 0]), pixels[:, :1] / 255)


def test_large_images_are_gathered_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen batches of photographs would take gigabytes; what comes is the same."""
    arrays = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2), np.arange(5)
    batches = ResidentBatches(Split.on(torch.device("cpu"), *arrays), 2)
    expected = list(batches.epoch(in_order(5)))
    monkeypatch.setattr(split, "LIMIT_GATHERED_NUMBERS", 1)
    seen = list(batches.epoch(in_order(5)))

    assert [len(images) for images, _ in seen] == [2, 2, 1]
    for (images, labels), (wanted, numbers) in zip(seen, expected, strict=True):
        assert torch.equal(images, wanted)
        assert torch.equal(labels, numbers)
