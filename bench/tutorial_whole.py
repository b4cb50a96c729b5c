"""The quickstart as a user would finish it: ten epochs, then the files that the job leaves, too.

    python bench/tutorial_whole.py DATA_DIR OUTPUT_DIR

DATA_DIR has torchvision's layout, unpacked. Nothing is read back or compared.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import quickstart
import torch
from quickstart import NeuralNetwork, Result
from safetensors.torch import save_file
from torch import Tensor, nn

EPOCHS: Final = 10


def main(data_dir: Path, output_dir: Path) -> None:
    """Train, then write weights, pictures and numbers."""
    torch.manual_seed(0)
    train_loader = quickstart.loader(data_dir, train=True)
    test_loader = quickstart.loader(data_dir, train=False)
    model = NeuralNetwork()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=quickstart.LEARNING_RATE)
    results = []
    for _ in range(EPOCHS):
        quickstart.train_loop(train_loader, model, loss_fn, optimizer)
        results.append(quickstart.test_loop(test_loader, model, loss_fn))
    (output_dir / "plots").mkdir(parents=True)
    write_weights(model, output_dir)
    plot_curves(results, output_dir / "plots" / "learning-curves.png")
    matrix = confusion(model, test_loader.dataset)
    plot_confusion(matrix, output_dir / "plots" / "confusion-matrix.png")
    numbers = {"accuracy": results[-1].accuracy, "history": [asdict(each) for each in results]}
    (output_dir / "metrics.json").write_text(json.dumps(numbers | {"confusion": matrix.tolist()}))


def write_weights(model: NeuralNetwork, output_dir: Path) -> None:
    """Write the state_dict twice, and the exported program."""
    torch.save(model.state_dict(), output_dir / "model.pth")
    save_file(model.state_dict(), output_dir / "model.safetensors")
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(model, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=(batch,))
    torch.export.save(program, output_dir / "model.pt2")


def confusion(model: NeuralNetwork, test_set: object) -> Tensor:
    """Count the test images by true and predicted class, all of them at once."""
    images, labels = test_set.data, test_set.targets  # type: ignore[attr-defined]
    with torch.no_grad():
        predicted = model(images.unsqueeze(1) / 255).argmax(1)
    return torch.bincount(10 * labels + predicted, minlength=100).view(10, 10)


def plot_curves(results: list[Result], path: Path) -> None:
    """Draw loss and accuracy on the test set by epoch."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot([result.average_loss for result in results])
    left.set(title="Test loss", xlabel="epoch")
    right.plot([result.accuracy for result in results])
    right.set(title="Test accuracy", xlabel="epoch")
    figure.savefig(path)


def plot_confusion(matrix: Tensor, path: Path) -> None:
    """Draw the counts."""
    figure, axes = plt.subplots(figsize=(7, 7))
    axes.imshow(matrix)
    for row, counts in enumerate(matrix.tolist()):
        for column, count in enumerate(counts):
            axes.text(column, row, count, ha="center", va="center")
    axes.set(title="Confusion matrix", xlabel="predicted", ylabel="true")
    figure.savefig(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
