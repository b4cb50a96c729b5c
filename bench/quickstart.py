"""The PyTorch quickstart, as its tutorial has it: what parity and speed are measured against.

Source: "Learn the Basics" of the PyTorch tutorials: the data, the network, `train_loop` and
`test_loop` of the optimization chapter, with the seed, the folder and the results as values.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import ToTensor

LEARNING_RATE: Final = 1e-3
BATCH_SIZE: Final = 64

Loader = DataLoader[tuple[Tensor, Tensor]]


class NeuralNetwork(nn.Module):
    """The tutorial's network."""

    def __init__(self) -> None:
        """Build the layers."""
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.flatten(x)
        logits: Tensor = self.linear_relu_stack(x)
        return logits


@dataclass(frozen=True)
class Result:
    """What the tutorial prints after an epoch: a fraction, and the mean of the batch losses."""

    accuracy: float
    average_loss: float


def train(root: Path, seed: int, epochs: int) -> list[Result]:
    """Run the tutorial; `root` has torchvision's layout. Returns one result per epoch."""
    torch.manual_seed(seed)
    train_loader = loader(root, train=True)
    test_loader = loader(root, train=False)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    device = accelerator or torch.device("cpu")
    model = NeuralNetwork().to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    results = []
    for _ in range(epochs):
        train_loop(train_loader, model, loss_fn, optimizer)
        results.append(test_loop(test_loader, model, loss_fn))
    return results


def train_loop(
    dataloader: Loader, model: nn.Module, loss_fn: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Go once through the training set."""
    device = next(model.parameters()).device
    model.train()
    for features, labels in dataloader:
        pred = model(features.to(device))
        loss = loss_fn(pred, labels.to(device))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_loop(dataloader: Loader, model: nn.Module, loss_fn: nn.Module) -> Result:
    """Go once through the test set."""
    device = next(model.parameters()).device
    model.eval()
    test_loss, correct = 0.0, 0.0
    with torch.no_grad():
        for features, labels in dataloader:
            pred, truth = model(features.to(device)), labels.to(device)
            test_loss += loss_fn(pred, truth).item()
            correct += (pred.argmax(1) == truth).type(torch.float).sum().item()
    return Result(correct / len(dataloader.dataset), test_loss / len(dataloader))  # type: ignore[arg-type]


def loader(root: Path, *, train: bool) -> Loader:
    """The tutorial's DataLoader over one of the splits."""
    dataset = datasets.FashionMNIST(root, train=train, download=False, transform=ToTensor())
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
