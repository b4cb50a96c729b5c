"""The PyTorch quickstart's network, by its own names: 784 → 512 → ReLU → 512 → ReLU → 10."""

import torch
from torch import Tensor, nn


class NeuralNetwork(nn.Module):
    """Logits (B, 10) of images (B, 1, 28, 28); 669,706 parameters, default initialisation.

    Source: "Build the Neural Network" of the PyTorch quickstart. Dropout follows each ReLU and has
    no parameters, so the names in the state_dict are the quickstart's with any dropout.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        """Draw the weights from torch's global generator."""
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            _activation(dropout),
            nn.Linear(512, 512),
            _activation(dropout),
            nn.Linear(512, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear_relu_stack(self.flatten(images))
        return logits


def build(seed: int, dropout: float, device: torch.device) -> NeuralNetwork:
    """Initialise on the CPU, so that a seed gives the same weights whatever the device."""
    torch.manual_seed(seed)
    return NeuralNetwork(dropout).to(device)


def count_parameters(model: nn.Module) -> int:
    """Count the trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def _activation(dropout: float) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Dropout(dropout)) if dropout else nn.ReLU()
