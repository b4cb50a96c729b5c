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

    def ascend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Add `scale` times the gradients to weight and bias, in place."""
        ...


class Fp32Layer:
    """All of it in fp32."""

    kind = torch.float32

    def __init__(self, layer: nn.Linear) -> None:
        """Train `layer` in place."""
        self._weight, self._bias = layer.weight.data, layer.bias.data
        self._transposed = self._weight.t()
        self._onednn = _onednn_fits(layer, self.kind)
        self._ones = torch.empty(0)

    def forward(self, inputs: Tensor, *, rectify: bool) -> Tensor:
        """Return y, or max(y, 0)."""
        if self._onednn:
            return _onednn(inputs, self._weight, self._bias, rectify=rectify)
        outputs = torch.addmm(self._bias, inputs, self._transposed)
        return outputs.relu_() if rectify else outputs

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient by x."""
        if self._onednn:
            return _onednn(gradient, self._transposed, None, rectify=False)
        return gradient @ self._weight

    def ascend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Add inside the product."""
        if len(gradient) != len(self._ones):
            self._ones = gradient.new_ones(len(gradient))
        by_output = gradient.t()
        self._weight.addmm_(by_output, inputs, alpha=scale)
        self._bias.addmv_(by_output, self._ones, alpha=scale)


class Bf16Weights:
    """The fp32 weights of some layers in one buffer, their bf16 copies, and room for gradients.

    Torch has no product that adds bf16 to fp32. One pass over all weights starts the threads once,
    and casting before adding took less time than `add_` with two types, which casts by itself.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        """Move the weights of `layers` into one buffer."""
        self._whole = torch.cat([layer.weight.data.flatten() for layer in layers])
        self._copy = self._whole.to(torch.bfloat16)
        self._slope, self._wide_slope = torch.empty_like(self._copy), torch.empty_like(self._whole)
        for layer, part in zip(layers, _parts(self._whole, layers), strict=True):
            layer.weight.data = part
        self.copies = _parts(self._copy, layers)
        self.slopes = _parts(self._slope, layers)

    def refresh(self) -> None:
        """Let the copies be those of the weights as they are now."""
        self._copy.copy_(self._whole)

    def ascend(self, scale: float) -> None:
        """Add `scale` times the gradients that the layers have computed."""
        self._whole.add_(self._wide_slope.copy_(self._slope), alpha=scale)


class Bf16Layer:
    """Products of bf16 numbers summed in fp32, as `torch.autocast` has them; the bias is fp32."""

    kind = torch.bfloat16

    def __init__(self, layer: nn.Linear, copy: Tensor, slope: Tensor) -> None:
        """Multiply with `copy` (out, in), and leave the gradient by it in `slope` (out, in)."""
        self._bias, self._copy, self._slope = layer.bias.data, copy, slope
        self._transposed = copy.t()
        self._onednn = _onednn_fits(layer, self.kind)

    def forward(self, inputs: Tensor, *, rectify: bool) -> Tensor:
        """Return y, or max(y, 0)."""
        bias = self._bias.to(self.kind)
        if self._onednn:
            return _onednn(inputs, self._copy, bias, rectify=rectify)
        outputs = torch.addmm(bias, inputs, self._transposed)
        return outputs.relu_() if rectify else outputs

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient by x."""
        if self._onednn:
            return _onednn(gradient, self._transposed, None, rectify=False)
        return gradient @ self._copy

    def ascend(self, gradient: Tensor, inputs: Tensor, scale: float) -> None:
        """Compute the gradient by the weight, and add that by the bias."""
        torch.mm(gradient.t(), inputs, out=self._slope)
        self._bias.add_(gradient.sum(0, dtype=torch.float32), alpha=scale)


class Layers:
    """The three layers with ReLU between them, in fp32.

    Written out: between two products, which fill the caches, whatever is done takes long.
    """

    def __init__(self, first: nn.Linear, second: nn.Linear, last: nn.Linear) -> None:
        """Train them in place; the first one takes the images."""
        self._first, self._second, self._last = map(Fp32Layer, (first, second, last))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the two hidden layers' outputs, then the logits; `images` are (B, inputs)."""
        low = self._first.forward(images, rectify=True)
        high = self._second.forward(low, rectify=True)
        return low, high, self._last.forward(high, rectify=False)

    def ascend(
        self, images: Tensor, low: Tensor, high: Tensor, by_logits: Tensor, scale: float
    ) -> None:
        """Add `scale` times the gradients by all parameters, given that by the logits."""
        by_high = _mask(self._last.backward(by_logits), high)
        by_low = _mask(self._second.backward(by_high), low)
        self._last.ascend(by_logits, high, scale)
        self._second.ascend(by_high, low, scale)
        self._first.ascend(by_low, images, scale)  # at last: the next step starts with it


class Bf16Layers(Layers):
    """The wide ones in bf16; the last one is small, and its gradient is that of the loss."""

    def __init__(self, first: nn.Linear, second: nn.Linear, last: nn.Linear) -> None:
        """Train them in place; the weights of the wide ones move into one buffer."""
        self._weights = Bf16Weights([first, second])
        parts = zip((first, second), self._weights.copies, self._weights.slopes, strict=True)
        self._low, self._high = (Bf16Layer(*part) for part in parts)
        self._last = Fp32Layer(last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take new copies of the weights first."""
        self._weights.refresh()
        low = self._low.forward(images.to(torch.bfloat16), rectify=True)
        high = self._high.forward(low, rectify=True).to(torch.float32)
        return low, high, self._last.forward(high, rectify=False)

    def ascend(
        self, images: Tensor, low: Tensor, high: Tensor, by_logits: Tensor, scale: float
    ) -> None:
        """Add what the layers computed in bf16 at the end, in one pass."""
        by_high = _mask(self._last.backward(by_logits), high).to(torch.bfloat16)
        by_low = _mask(self._high.backward(by_high), low)
        self._last.ascend(by_logits, high, scale)
        self._high.ascend(by_high, low, scale)
        self._low.ascend(by_low, images.to(torch.bfloat16), scale)
        self._weights.ascend(scale)


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """Return the linear layers of the quickstart's network, from the images on."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def forward_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the fastest way from images (B, C, H, W) to the logits that `network` gives.

    For evaluation only: it records no gradients and drops nothing out. It is the network itself
    unless that is the quickstart's and lies on the CPU.
    """
    if not isinstance(network, NeuralNetwork) or next(network.parameters()).device.type != "cpu":
        return network
    layers = Layers(*linear_layers(network))
    return lambda images: layers.forward(images.flatten(1))[-1]


def _parts(whole: Tensor, layers: Sequence[nn.Linear]) -> list[Tensor]:
    parts = whole.split([layer.weight.numel() for layer in layers])
    return [part.view_as(layer.weight) for part, layer in zip(parts, layers, strict=True)]


def _mask(gradient: Tensor, output: Tensor) -> Tensor:
    """Let no gradient through where the ReLU let nothing through, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    return gradient


def _onednn_fits(layer: nn.Linear, kind: torch.dtype) -> bool:
    wide = layer.out_features >= ONEDNN_WIDTH
    return (
        wide
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (kind == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001  # the only way to ask
    )


def _onednn(inputs: Tensor, weight: Tensor, bias: Tensor | None, *, rectify: bool) -> Tensor:
    outputs: Tensor = torch.ops.mkldnn._linear_pointwise.default(  # noqa: SLF001  # what torch.compile calls
        inputs, weight, bias, "relu" if rectify else "none", [], ""
    )
    return outputs
