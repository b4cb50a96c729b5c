"""The quickstart's own road: torchvision's `FashionMNIST`, `ToTensor`, one-hot, `DataLoader`.

It decodes picture by picture and is slow; it stays as the readable reference that the resident
road is proven against, and for data that do not fit on a device. Only this module and the fetching
of the dataset import torchvision, which takes two seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import FashionMNIST, VisionDataset
from torchvision.transforms import Lambda, ToTensor

from job.data.split import WHOLE, Batch, EpochPlan, Share, count_batches, mirror

GREY_DIMENSIONS: Final = 3


class VerifiedFashionMNIST(FashionMNIST):
    """torchvision's dataset over images and labels that were read and verified already."""

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        target_transform: Callable[[int], Tensor] | None,
    ) -> None:
        """Skip the parent's search for files, and nothing else of it."""
        VisionDataset.__init__(self, None, None, ToTensor(), target_transform)
        self.data = torch.tensor(images)
        self.targets = torch.tensor(labels, dtype=torch.int64)


class VerifiedPictures(VisionDataset):
    """The same over images (N, C, H, W) of several channels."""

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        target_transform: Callable[[int], Tensor] | None,
    ) -> None:
        """Keep the arrays as they are."""
        super().__init__(None, None, ToTensor(), target_transform)
        self.data, self.targets = images, labels

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """One image (C, H, W) float32 in [0, 1], and its target."""
        pixels = self.data[index].transpose(1, 2, 0)
        image, target = self.transforms(pixels, int(self.targets[index]))
        return image, target


@dataclass(frozen=True)
class LoadedBatches:
    """Batches that a `DataLoader` collates on the CPU and moves to `device` one at a time."""

    dataset: VerifiedFashionMNIST | VerifiedPictures
    batch_size: int
    device: torch.device
    share: Share = WHOLE

    @property
    def images(self) -> int:
        """How many images an epoch has."""
        return len(self.dataset)

    def __len__(self) -> int:
        return count_batches(self.images, self.batch_size)

    def epoch(self, plan: EpochPlan, first_batch: int = 0) -> Iterator[Batch]:
        """Yield (images, targets); no worker processes, which would inherit SIGTERM and break."""
        rest = self.share.of(plan.order[first_batch * self.batch_size :], self.batch_size)
        size = self.batch_size // self.share.size
        loader: DataLoader[Batch] = DataLoader(Subset(self.dataset, rest.tolist()), size)
        flips = None if plan.flips is None else plan.flips[rest].split(size)
        for number, (images, targets) in enumerate(loader):
            chosen = images if flips is None else mirror(images, flips[number])
            yield chosen.to(self.device), targets.to(self.device)


def loaded(  # noqa: PLR0913  # what a loader is made of
    images: NDArray[Any],
    labels: NDArray[Any],
    batch_size: int,
    *,
    device: torch.device,
    one_hot: bool,
    classes: int = 10,
    share: Share = WHOLE,
) -> LoadedBatches:
    """Wrap images (N, H, W) or (N, C, H, W) and labels (N,).

    Targets are labels (B,) int64, or `one_hot` (B, classes) float32.
    """
    targets = Lambda(partial(_one_hot, classes=classes)) if one_hot else None
    kind = VerifiedFashionMNIST if images.ndim == GREY_DIMENSIONS else VerifiedPictures
    return LoadedBatches(kind(images, labels, targets), batch_size, device, share)


def _one_hot(label: int, classes: int) -> Tensor:
    return torch.zeros(classes).scatter_(0, torch.tensor(label), value=1)
