"""Evaluation as a tally: sums travel and merge, ratios come last."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from job.data.split import Batch
from job.layers import forward_of
from job.record import MistakeRecord
from job.world import World


@dataclass(frozen=True)
class Tally:
    """Sum of the loss, and the confusion matrix (true class, predicted class), on the CPU."""

    loss_sum: float
    confusion: Tensor

    @classmethod
    def empty(cls, classes: int) -> "Tally":
        """Return the tally of no images."""
        return cls(0.0, torch.zeros(classes, classes, dtype=torch.int64))

    def merge(self, other: "Tally") -> "Tally":
        """Return the tally of both sets of images."""
        return Tally(self.loss_sum + other.loss_sum, self.confusion + other.confusion)

    @property
    def images(self) -> int:
        """How many images were counted."""
        return int(self.confusion.sum())

    @property
    def loss(self) -> float:
        """Mean over the images."""
        return self.loss_sum / self.images

    @property
    def accuracy(self) -> float:
        """Share of the images whose class was told, 0 to 1."""
        return int(self.confusion.trace()) / self.images

    @property
    def precision(self) -> list[float]:
        """Per class: share of what was called so that is so; 0 if nothing was called so."""
        return _ratios(self.confusion.diagonal(), self.confusion.sum(0))

    @property
    def recall(self) -> list[float]:
        """Per class: share of what is so that was called so; 0 if nothing is so."""
        return _ratios(self.confusion.diagonal(), self.confusion.sum(1))

    @property
    def f1(self) -> list[float]:
        """Per class: harmonic mean of precision and recall."""
        return _ratios(2 * self.confusion.diagonal(), self.confusion.sum(0) + self.confusion.sum(1))


def evaluate(model: nn.Module, batches: Iterable[Batch], classes: int) -> Tally:
    """Tally `model` over `batches` of (images, labels or one-hot targets), without gradients."""
    model.eval()
    forward = forward_of(model)
    tally = Tally.empty(classes)
    with torch.inference_mode():
        for images, targets in batches:
            tally = tally.merge(_tally(forward(images), targets, classes))
    return tally


def confident_mistakes(
    model: nn.Module, batches: Iterable[Batch], most: int
) -> list[MistakeRecord]:
    """The `most` images of (images, labels) that `model` is surest of and wrong about.

    The surest comes first, of two alike the earlier one. Images count in the order of `batches`.
    """
    model.eval()
    forward = forward_of(model)
    found: list[MistakeRecord] = []
    first = 0
    with torch.inference_mode():
        for images, labels in batches:
            found += _mistakes(forward(images), labels, first, most)
            found = sorted(found, key=lambda mistake: -mistake.probability)[:most]
            first += len(labels)
    return found


def _mistakes(logits: Tensor, labels: Tensor, first: int, most: int) -> list[MistakeRecord]:
    probabilities, predicted = logits.float().softmax(1).max(1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    surest = probabilities[wrong].sort(descending=True, stable=True).indices[:most]
    wrong = wrong[surest]
    probability = probabilities[wrong].clamp(max=1)  # a rounded sum may leave a little more
    columns = (wrong + first, labels[wrong], predicted[wrong], probability)
    return [
        MistakeRecord(index=index, true=true, predicted=guess, probability=sure)
        for index, true, guess, sure in zip(*(c.tolist() for c in columns), strict=True)
    ]


def share_buffers(model: nn.Module, world: World) -> None:
    """Let every rank judge with rank 0's running statistics; each has those of its own images.

    All ranks call this. The gradients do not depend on them, and a checkpoint has rank 0's.
    """
    for buffer in model.buffers():
        world.broadcast(buffer)


def merge_all(tally: Tally, world: World) -> Tally:
    """Return the tally of the images of all ranks, on each of them."""
    loss_sum = world.sum(torch.tensor(tally.loss_sum, dtype=torch.float64))
    return Tally(float(loss_sum), world.sum(tally.confusion.clone()))


def _tally(logits: Tensor, targets: Tensor, classes: int) -> Tally:
    loss = functional.cross_entropy(logits, targets, reduction="sum")
    labels = targets if targets.dim() == 1 else targets.argmax(1)
    pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    return Tally(float(loss), pairs.view(classes, classes).cpu())


def _ratios(numerator: Tensor, denominator: Tensor) -> list[float]:
    ratios: list[float] = (numerator.double() / denominator.clamp(min=1)).tolist()
    return ratios
