"""The quickstart's linear layers on a CPU by hand: forward, backward, update, without autograd.

The gradient of a weight never exists in fp32: `W += scale * d.T @ x` is one product that adds to
the weight in place. In bf16 the products read copies of the weights, and the weights stay fp32.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import torch
from torch import Tensor, nn

from job.model import NeuralNetwork

# oneDNN adds bias and ReLU inside the product, and its fp32 product of a batch of 64 took 0.75 to
# 0.89 of MKL's time (AMD Zen 4, 2 cores). With ten outputs it took longer, and MKL has the work.
ONEDNN_WIDTH: Final = 64


class Layer(Protocol):
    """`y = x W.T + b` with x (B, in), W (out, in), b (out,) and y (B, out)."""

    def forward(self, inputs: Tensor, *, rectify: bool) -> Tensor:
        """Return y, or max(y, 0)."""
        ...

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient by x (B, in) for that by y (B, out)."""
        ...

    def descend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Add `scale` times the gradients to weight and bias, in place."""
        ...


class Fp32Layer:
    """All of it in fp32."""

    def __init__(self, layer: nn.Linear) -> None:
        """Train `layer` in place."""
        self._weight, self._bias = layer.weight.data, layer.bias.data
        self._onednn = _onednn_fits(layer)

    def forward(self, inputs: Tensor, *, rectify: bool) -> Tensor:
        """Return y, or max(y, 0)."""
        if self._onednn:
            return _onednn(inputs, self._weight, self._bias, rectify=rectify)
        outputs = torch.addmm(self._bias, inputs, self._weight.t())
        return outputs.relu_() if rectify else outputs

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient by x."""
        if self._onednn:
            return _onednn(gradient, self._weight.t(), None, rectify=False)
        return gradient @ self._weight

    def descend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Add inside the product."""
        self._weight.addmm_(gradient.t(), inputs, alpha=scale)
        self._bias.addmv_(gradient.t(), gradient.new_ones(len(gradient)), alpha=scale)


class Bf16Layer:
    """Products of bf16 numbers summed in fp32, as `torch.autocast` has them; fp32 weights."""

    def __init__(self, layer: nn.Linear) -> None:
        """Train `layer` in place."""
        self._weight, self._bias = layer.weight.data, layer.bias.data
        self._copy = self._weight.to(torch.bfloat16)
        self._slope = torch.empty_like(self._copy)

    def forward(self, inputs: Tensor, *, rectify: bool) -> Tensor:
        """Take a new copy of the weight; return y, or max(y, 0)."""
        self._copy.copy_(self._weight)
        outputs = torch.addmm(self._bias.to(torch.bfloat16), inputs, self._copy.t())
        return outputs.relu_() if rectify else outputs

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient by x."""
        return gradient @ self._copy

    def descend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Add to the fp32 weights what was computed in bf16."""
        torch.mm(gradient.t(), inputs, out=self._slope)
        self._weight.add_(self._slope, alpha=scale)
        self._bias.add_(gradient.sum(0), alpha=scale)


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of the quickstart's network, from the images on."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def go_through(layers: Sequence[Layer], images: Tensor) -> list[Tensor]:
    """Return the input of each layer, then the logits; images are (B, 784)."""
    values = [images]
    for layer in layers[:-1]:
        values.append(layer.forward(values[-1], rectify=True))
    return [*values, layers[-1].forward(values[-1], rectify=False)]


def forward_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the fastest way from images (B, 1, 28, 28) to the logits that `network` gives.

    For evaluation only: it records no gradients and drops nothing out. It is the network itself
    unless that is the quickstart's and lies on the CPU.
    """
    if not isinstance(network, NeuralNetwork) or next(network.parameters()).device.type != "cpu":
        return network
    layers = [Fp32Layer(layer) for layer in linear_layers(network)]
    return lambda images: go_through(layers, images.flatten(1))[-1]


def _onednn_fits(layer: nn.Linear) -> bool:
    wide = layer.out_features >= ONEDNN_WIDTH
    return (
        wide
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _onednn(inputs: Tensor, weight: Tensor, bias: Tensor | None, *, rectify: bool) -> Tensor:
    outputs: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001  # what torch.compile calls
        inputs, weight, bias, "relu" if rectify else "none", [], ""
    )
    return outputs
