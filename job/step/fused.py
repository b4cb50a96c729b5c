"""Plain SGD on the quickstart's network by hand, without the bookkeeping of autograd.

The mathematics is the eager step's; no graph is recorded, the update is part of the backward pass,
and the sums are rounded in another order.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from job.data.split import Batch, ResidentEpoch, Split, as_input
from job.layers import Bf16Layers, Layers, linear_layers
from job.schedule import Schedule
from job.step.contract import LossSum, Precision, Update
from job.step.eager import load_weights, weights_of

# Entering inference mode and asking the supervisor costs some microseconds each. Divides what the
# supervisor counts in, 16 and 100.
AT_ONCE: Final = 4
UNKNOWN: Final = ("momentum", "weight_decay", "label_smoothing", "dropout")


def what_fused_lacks(update: Update) -> str:
    """Name what the update asks for beyond plain SGD, as settings; empty if nothing."""
    asked = [f"JOB_{name.upper()}" for name in UNKNOWN if getattr(update, name)]
    adaptive = [f"JOB_OPTIMIZER={update.optimizer}"] if update.optimizer != "sgd" else []
    return ", ".join(adaptive + asked)


class FusedStep:
    """The three layers forward, then backward and updated, with one-hot targets."""

    name = "fused"

    def __init__(self, model: nn.Module, schedule: Schedule, precision: Precision) -> None:
        """Train `model` in place, on the CPU; its linear layers are 784-512-512-10."""
        self._model = model
        self._schedule = schedule
        self._kind = torch.bfloat16 if precision == "bf16" else torch.float32
        linear = linear_layers(model)
        self._layers = Bf16Layers(*linear) if precision == "bf16" else Layers(*linear)
        self._one_hot = torch.eye(linear[-1].out_features)
        self._loss = LossSum(self._one_hot.device)
        self._gathered: tuple[Split, Split] | None = None

    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Yield after each fourth batch, and after the last."""
        going, done = iter(self._prepared(batches)), 0
        while some := self._go_on(going, first_step + done):
            done += some
            yield done

    def take_loss(self) -> float:
        """Read the sum and start a new one."""
        return self._loss.take()

    def state(self) -> dict[str, Tensor]:
        """The weights, by the names that the eager step gives them, too."""
        return weights_of(self._model)

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over the weights."""
        load_weights(self._model, state)

    def _prepared(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """Let what is the same in every epoch be done once, where the whole split is at hand."""
        if not isinstance(batches, ResidentEpoch):
            return batches
        if self._gathered is None or self._gathered[0] is not batches.split:
            self._gathered = batches.split, self._ready(batches.split)
        return replace(batches, split=self._gathered[1])

    def _ready(self, split: Split) -> Split:
        wide = self._kind == torch.float32  # four times the pixels' bytes, and no faster
        images = split.images if wide else as_input(split.images).squeeze(1).to(self._kind)
        return Split(images, self._one_hot.index_select(0, split.labels))

    @torch.inference_mode()
    def _go_on(self, batches: Iterator[Batch], first_step: int) -> int:
        """Train on the next few, and return how many there were."""
        done = 0
        for images, targets in itertools.islice(batches, AT_ONCE):
            shares = targets if targets.dim() > 1 else self._one_hot.index_select(0, targets)
            self._advance(images.flatten(1), shares, self._schedule(first_step + done))
            done += 1
        return done

    def _advance(self, images: Tensor, wanted: Tensor, rate: float) -> None:
        low, high, logits = self._layers.forward(images)
        log_shares = logits.log_softmax(1)
        # Minus the gradient by the logits: `wanted - log_shares.exp()` in one operation.
        uphill = torch._log_softmax_backward_data(wanted, log_shares, 1, torch.float32)  # noqa: SLF001  # what autograd calls
        self._layers.ascend(images, low, high, uphill, rate / len(images))
        self._loss.add(torch.dot(log_shares.view(-1), wanted.view(-1)), -1)
