"""A split of the dataset on a device, and the pure order in which an epoch goes through it.

The pixels stay uint8 where the training happens and are gathered by index: no decoding, no worker,
no copy to the device. `plan_epoch` is pure and computed on the CPU, so (epoch, batch) is the whole
state of the data on any device.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from job.seeds import Purpose, derive

Batch = tuple[Tensor, Tensor]

# Gathering some batches at once costs their share of one operation each; 3 MB stay in the cache.
GATHERED_BATCHES: Final = 16
# As input; photographs would take gigabytes. The quickstart's batches stay far below.
LIMIT_GATHERED_NUMBERS: Final = 2**24
GREY_DIMENSIONS: Final = 3


@dataclass(frozen=True)
class Split:
    """Images (N, H, W) or (N, C, H, W) uint8 and labels (N,) int64, both on one device.

    A step may make another one of it, once: images that are input already, one-hot labels
    (N, classes).
    """

    images: Tensor
    labels: Tensor

    @classmethod
    def on(cls, device: torch.device, images: NDArray[Any], labels: NDArray[Any]) -> "Split":
        """Copy the arrays to `device` once; the copies are writable, the arrays may not be."""
        return cls(
            torch.tensor(images, device=device),
            torch.tensor(labels, dtype=torch.int64, device=device),
        )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class EpochPlan:
    """The order of the images (N,) int64, and which to mirror (N,) bool or None, on the CPU."""

    order: Tensor
    flips: Tensor | None


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """Return the permutation (size,) int64 of the images in `epoch`: pure, on the CPU."""
    generator = torch.Generator().manual_seed(derive(seed, Purpose.ORDER, epoch))
    return torch.randperm(size, generator=generator)


def epoch_flips(seed: int, epoch: int, size: int) -> Tensor:
    """Return which images (size,) bool are mirrored in `epoch`: pure, on the CPU."""
    generator = torch.Generator().manual_seed(derive(seed, Purpose.FLIPS, epoch))
    return torch.rand(size, generator=generator) < 0.5  # noqa: PLR2004  # a fair coin


def plan_epoch(seed: int, epoch: int, size: int, *, horizontal_flip: bool) -> EpochPlan:
    """Return how `epoch` goes through a split of `size` images."""
    flips = epoch_flips(seed, epoch, size) if horizontal_flip else None
    return EpochPlan(epoch_order(seed, epoch, size), flips)


def in_order(size: int) -> EpochPlan:
    """Return the plan that takes every image once, as they lie."""
    return EpochPlan(torch.arange(size), None)


class Batches(Protocol):
    """A split that can be gone through: images (B, C, H, W) float32 in [0, 1], and targets."""

    @property
    def images(self) -> int:
        """How many images an epoch has."""
        ...

    @property
    def batch_size(self) -> int:
        """How many images a batch of all ranks has, but for the last one."""
        ...

    def __len__(self) -> int:
        """Count the batches of an epoch, the smaller last one included."""
        ...

    def epoch(self, plan: EpochPlan, first_batch: int = 0) -> Iterable[Batch]:
        """Return the batches of `plan` from the `first_batch`-th on."""
        ...


@dataclass(frozen=True)
class ResidentEpoch:
    """What is left of an epoch: `order` (B,), and `flips` (N,) of all images, both on the CPU.

    Going through it gathers the batches; a step that gathers for itself reads the fields.
    """

    split: Split
    order: Tensor
    flips: Tensor | None
    batch_size: int

    @property
    def _gathered_batches(self) -> int:
        numbers = self.batch_size * math.prod(self.split.images.shape[1:])
        return max(1, min(GATHERED_BATCHES, LIMIT_GATHERED_NUMBERS // numbers))

    def __iter__(self) -> Iterator[Batch]:
        """Yield (images, labels) on the device of the split."""
        order = self.order.to(self.split.images.device)
        flips = None if self.flips is None else self.flips.to(order.device)
        labels = _pieces(self.split.labels.index_select(0, order), self.batch_size)
        for chosen in _pieces(order, self._gathered_batches * self.batch_size):
            images = as_input(self.split.images.index_select(0, chosen))
            if flips is not None:
                images = mirror(images, flips[chosen])
            # The images first: the other way round a label would be taken and lost at each end.
            yield from zip(_pieces(images, self.batch_size), labels, strict=False)


@dataclass(frozen=True)
class Share:
    """The part that one of several ranks has of every batch."""

    rank: int = 0
    size: int = 1

    def of(self, order: Tensor, batch_size: int) -> Tensor:
        """Return this rank's images of `order` (N,), in batches of `batch_size / size`.

        Of the smaller last batch, too, no rank has more than one image less than another.
        """
        whole = len(order) // batch_size * batch_size
        batches = order[:whole].view(-1, self.size, batch_size // self.size)[:, self.rank]
        return torch.cat([batches.flatten(), order[whole:][self.rank :: self.size]])

    def fits(self, images: int, batch_size: int) -> bool:
        """Whether every rank has as many images of a whole batch, and some of the last one."""
        return batch_size % self.size == 0 and (images % batch_size or batch_size) >= self.size

    def fit(self, images: int, batch_size: int) -> int:
        """Return `batch_size`, or where that does not fit one near it that cuts more evenly."""
        if self.fits(images, batch_size):
            return batch_size
        parts = count_batches(images, batch_size)
        return count_batches(images, parts * self.size) * self.size


WHOLE: Final = Share()


@dataclass(frozen=True)
class ResidentBatches:
    """Batches gathered from a split that lies on the device; `batch_size` is that of all ranks."""

    split: Split
    batch_size: int
    share: Share = WHOLE

    @property
    def images(self) -> int:
        """How many images an epoch has."""
        return len(self.split)

    def __len__(self) -> int:
        return count_batches(self.images, self.batch_size)

    def epoch(self, plan: EpochPlan, first_batch: int = 0) -> ResidentEpoch:
        """Return the rest of an epoch, nothing of it gathered yet."""
        rest = self.share.of(plan.order[first_batch * self.batch_size :], self.batch_size)
        return ResidentEpoch(self.split, rest, plan.flips, self.batch_size // self.share.size)


def _pieces(whole: Tensor, size: int) -> Iterator[Tensor]:
    """Cut along the first dimension; nothing gives no piece, where `torch.split` gives an empty."""
    return iter(whole.split(size) if len(whole) else ())


def count_batches(images: int, batch_size: int) -> int:
    """Count the batches of an epoch, the smaller last one included."""
    return -(-images // batch_size)


def as_input(images: Tensor) -> Tensor:
    """Turn pixels uint8 into input (B, C, H, W) float32 in [0, 1], as `ToTensor`.

    Grey ones (B, H, W) get their one channel. Images that are input already stay what they are.
    """
    if images.dim() == GREY_DIMENSIONS:
        images = images.unsqueeze(1)
    return images if images.is_floating_point() else images.to(torch.float32).div_(255)


def mirror(images: Tensor, chosen: Tensor) -> Tensor:
    """Flip the `chosen` (B,) bool of the images (B, C, H, W) from left to right."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)
