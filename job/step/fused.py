"""Plain SGD on the quickstart's network by hand, without the bookkeeping of autograd.

The mathematics is the eager step's; no graph is recorded, the update is part of the backward pass,
and the sums are rounded in another order.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from job.data.split import Batch
from job.layers import Bf16Layer, Fp32Layer, Layer, go_through, linear_layers
from job.schedule import Schedule
from job.step.contract import LossSum, Precision, Update
from job.step.eager import load_weights, weights_of

UNKNOWN: Final = ("momentum", "weight_decay", "label_smoothing", "dropout")


def what_fused_lacks(update: Update) -> str:
    """Name what the update asks for beyond plain SGD, as settings; empty if nothing."""
    asked = [f"JOB_{name.upper()}" for name in UNKNOWN if getattr(update, name)]
    adaptive = [f"JOB_OPTIMIZER={update.optimizer}"] if update.optimizer != "sgd" else []
    return ", ".join(adaptive + asked)


class FusedStep:
    """The three layers forward, then backward, each updated as soon as it was passed."""

    name = "fused"

    def __init__(self, model: nn.Module, schedule: Schedule, precision: Precision) -> None:
        """Train `model` in place, on the CPU; its linear layers are 784-512-512-10."""
        self._model = model
        self._schedule = schedule
        self._kind = torch.bfloat16 if precision == "bf16" else torch.float32
        linear = linear_layers(model)
        made = Bf16Layer if precision == "bf16" else Fp32Layer
        self._layers: list[Layer] = [made(layer) for layer in linear]
        self._targets = torch.eye(linear[-1].out_features)
        self._loss = LossSum(self._targets.device)

    @torch.inference_mode()
    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Yield after each batch."""
        for done, (images, targets) in enumerate(batches, start=1):
            one_hot = targets if targets.dim() > 1 else self._targets[targets]
            self._advance(images.flatten(1), one_hot, self._schedule(first_step + done - 1))
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

    def _advance(self, images: Tensor, one_hot: Tensor, rate: float) -> None:
        *inputs, logits = go_through(self._layers, images.to(self._kind))
        log_shares = logits.to(torch.float32).log_softmax(1)
        gradients = self._backward(inputs, log_shares.exp().sub_(one_hot).to(self._kind))
        parts = zip(self._layers, gradients, inputs, strict=True)
        for layer, gradient, below in reversed(list(parts)):  # the next step starts with the first
            layer.descend(gradient, below, -rate / len(images))
        self._loss.add(log_shares.mul_(one_hot).sum(), -1)

    def _backward(self, inputs: list[Tensor], gradient: Tensor) -> list[Tensor]:
        """Return the gradient by the output of each layer, given that of the last."""
        gradients = [gradient]
        for layer, below in zip(self._layers[:0:-1], inputs[:0:-1], strict=True):
            gradients.append(_mask(layer.backward(gradients[-1]), below))
        return gradients[::-1]


def _mask(gradient: Tensor, output: Tensor) -> Tensor:
    """Let no gradient through where the ReLU let nothing through, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    return gradient
