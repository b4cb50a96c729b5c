"""The PyTorch quickstart's network, by its own names: 784 → 512 → ReLU → 512 → ReLU → 10."""

from typing import Final

import torch
from torch import Tensor, nn

QUICKSTART_INPUTS: Final = 28 * 28
QUICKSTART_CLASSES: Final = 10


class NeuralNetwork(nn.Module):
    """Logits (B, classes) of images (B, C, H, W) with C · H · W `inputs`; default initialisation.

    The quickstart's own has 784 inputs, 10 classes and so 669,706 parameters. Source: "Build the
    Neural Network" of the PyTorch quickstart. Dropout follows each ReLU and has no parameters, so
    the names in the state_dict are the quickstart's with any dropout.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        inputs: int = QUICKSTART_INPUTS,
        classes: int = QUICKSTART_CLASSES,
    ) -> None:
        """Draw the weights from torch's global generator."""
        super().__init__()
        self.inputs, self.classes = inputs, classes
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(inputs, 512),
            _activation(dropout),
            nn.Linear(512, 512),
            _activation(dropout),
            nn.Linear(512, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear_relu_stack(self.flatten(images))
        return logits


def build(
    seed: int,
    dropout: float,
    device: torch.device,
    inputs: int = QUICKSTART_INPUTS,
    classes: int = QUICKSTART_CLASSES,
) -> NeuralNetwork:
    """Initialise on the CPU, so that a seed gives the same weights whatever the device."""
    torch.manual_seed(seed)
    return NeuralNetwork(dropout, inputs, classes).to(device)


def count_parameters(model: nn.Module) -> int:
    """Count the trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def _activation(dropout: float) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Dropout(dropout)) if dropout else nn.ReLU()
