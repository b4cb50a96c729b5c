"""What a network wants of its images, done on the device as part of the network itself.

So every step, the evaluation and `model.pt2` take the same input: (B, C, H, W) float32 in [0, 1],
of the size in which the data lie.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Preparation(nn.Module):
    """Resizes images to a square of `side` pixels, then normalises each channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, side: int, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Take one mean and one standard deviation for each channel."""
        super().__init__()
        self.side = side
        # No part of the state: they are the model's, and not learnt.
        self.register_buffer("mean", _by_channel(mean), persistent=False)
        self.register_buffer("deviation", _by_channel(deviation), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, C, side, side)."""
        if images.shape[-2:] != (self.side, self.side):
            # Antialiased, as Pillow does it: torchvision's models have learnt from such pictures.
            size = (self.side, self.side)
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        return (images - self.mean) / self.deviation


class Prepared(nn.Module):
    """A network behind its preparation, as one module."""

    def __init__(self, preparation: Preparation, network: nn.Module) -> None:
        """Prepare the images that `network` sees."""
        super().__init__()
        self.preparation = preparation
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes)."""
        logits: Tensor = self.network(self.preparation(images))
        return logits


def bare(network: nn.Module) -> nn.Module:
    """The network without a preparation: the one whose names stand in the files of weights."""
    return network.network if isinstance(network, Prepared) else network


def _by_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1)
