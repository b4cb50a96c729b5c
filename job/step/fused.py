"""Plain SGD on the quickstart's network by hand: kept buffers, and the update inside the products.

The mathematics is the eager step's; what goes is the bookkeeping. No graph is recorded, nothing is
allocated in a step, and a weight's gradient never exists: `W += -rate / n * d.T @ x` is one matrix
product that adds to the weight in place. Rounding differs from the eager step in that addition.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from job.data.split import Batch
from job.schedule import Schedule
from job.step.contract import LossSum, Update
from job.step.eager import load_weights, weights_of

UNKNOWN: Final = ("momentum", "weight_decay", "label_smoothing", "dropout")


def what_fused_lacks(update: Update) -> str:
    """Name what the update asks for beyond plain SGD, as settings; empty if nothing."""
    asked = [f"JOB_{name.upper()}" for name in UNKNOWN if getattr(update, name)]
    adaptive = [f"JOB_OPTIMIZER={update.optimizer}"] if update.optimizer != "sgd" else []
    return ", ".join(adaptive + asked)


class FusedStep:
    """The three layers forward, then backward, each update folded into its product."""

    name = "fused"

    def __init__(self, model: nn.Module, schedule: Schedule, batch_size: int) -> None:
        """Train `model` in place; its linear layers are 784-512-512-10 or of other widths."""
        self._model = model
        self._schedule = schedule
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        self._layers = [(layer.weight.data, layer.bias.data) for layer in layers]
        # Of each layer: what comes out of it, and the gradient of the loss by that.
        self._outputs = [
            layer.bias.data.new_empty(batch_size, layer.out_features) for layer in layers
        ]
        self._gradients = [torch.empty_like(output) for output in self._outputs]
        self._targets = torch.eye(layers[-1].out_features)
        self._loss = LossSum(self._targets.device)

    @torch.no_grad()
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
        outputs = [output[: len(images)] for output in self._outputs]
        gradients = [gradient[: len(images)] for gradient in self._gradients]
        self._forward(images, outputs)
        log_shares = outputs[-1].log_softmax(1)
        self._loss.add((log_shares * one_hot).sum(), -1)
        torch.sub(log_shares.exp(), one_hot, out=gradients[-1])
        self._backward([images, *outputs], gradients, -rate / len(images))

    def _forward(self, images: Tensor, outputs: list[Tensor]) -> None:
        inputs = images
        for (weight, bias), output in zip(self._layers, outputs, strict=True):
            torch.addmm(bias, inputs, weight.t(), out=output)
            if output is not outputs[-1]:
                output.relu_()
            inputs = output

    def _backward(self, inputs: list[Tensor], gradients: list[Tensor], scale: float) -> None:
        # The gradient passes through a weight before that weight is changed.
        for number in reversed(range(len(self._layers))):
            weight, bias = self._layers[number]
            gradient, below = gradients[number], inputs[number]
            if number > 0:
                torch.mm(gradient, weight, out=gradients[number - 1])
                _mask(gradients[number - 1], below)
            weight.addmm_(gradient.t(), below, alpha=scale)
            bias.add_(gradient.sum(0), alpha=scale)


def _mask(gradient: Tensor, output: Tensor) -> None:
    """Let no gradient through where the ReLU let nothing through, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
