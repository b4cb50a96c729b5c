"""The rooflines: the matrix products of the network and nothing else, back to back.

Twice each: by torch.mm, and by the calls that the job's layers make, which add bias and ReLU inside
the product where oneDNN has it. Which of the two is faster depends on the processor.
"""

import itertools
from collections.abc import Callable
from typing import Final

import torch
from rivals import BATCH, CPU, Epoch
from torch import Tensor

from job.data.dataset import Dataset
from job.data.split import count_batches
from job.layers import Fp32Layer, Layers, linear_layers
from job.model import build

WIDTHS: Final = (784, 512, 512, 10)
# So small that the weights stay what they are, while all of the work is done.
SCALE: Final = -1e-9


def gemms(dataset: Dataset) -> Epoch:
    """The eight products of a step by torch.mm, for each step of an epoch."""
    values = [torch.rand(BATCH, width) for width in WIDTHS]
    slopes = [torch.rand(BATCH, width) for width in WIDTHS]
    weights = [torch.rand(out, width) for width, out in itertools.pairwise(WIDTHS)]

    def step() -> None:
        for number, weight in enumerate(weights):
            torch.mm(values[number], weight.t(), out=values[number + 1])
        for number in reversed(range(len(weights))):
            if number:
                torch.mm(slopes[number + 1], weights[number], out=slopes[number])
            weights[number].addmm_(slopes[number + 1].t(), values[number], alpha=SCALE)

    return _epoch_of(step, dataset)


def gemms_best(dataset: Dataset) -> Epoch:
    """The same eight by the job's own calls, in the order of its step."""
    linear = linear_layers(build(0, 0.0, CPU))
    layers, whole = [Fp32Layer(layer) for layer in linear], Layers(*linear)
    weights = [layer.weight.data for layer in linear]
    images, gradient = torch.rand(BATCH, WIDTHS[0]), torch.rand(BATCH, WIDTHS[-1])

    def step() -> None:
        *hidden, _ = whole.forward(images)
        inputs = [images, *hidden]
        gradients = [gradient]
        for layer in layers[:0:-1]:
            gradients.append(layer.backward(gradients[-1]))
        for weight, above, below in zip(weights[::-1], gradients, inputs[::-1], strict=True):
            weight.addmm_(above.t(), below, alpha=SCALE)

    return _epoch_of(step, dataset)


def forward_products(images: Tensor) -> dict[str, Callable[[], None]]:
    """The three products over `images` (N, 784), twice, by the names of their seconds."""
    linear = linear_layers(build(0, 0.0, CPU))
    layers = Layers(*linear)
    outputs = [torch.empty(len(images), width) for width in WIDTHS[1:]]

    @torch.inference_mode()
    def by_mm() -> None:
        below = images
        for layer, above in zip(linear, outputs, strict=True):
            below = torch.mm(below, layer.weight.data.t(), out=above)

    @torch.inference_mode()
    def by_the_job() -> None:
        layers.forward(images)

    return {"mm_seconds": by_mm, "job_calls_seconds": by_the_job}


def _epoch_of(step: Callable[[], None], dataset: Dataset) -> Epoch:
    steps = count_batches(len(dataset.train_labels), BATCH)

    @torch.no_grad()
    def epoch(_number: int) -> None:
        for _ in range(steps):
            step()

    return epoch
