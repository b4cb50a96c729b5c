"""What a user would pick instead of this job, each as a function that trains one epoch.

All but the tutorial's own code go through the images in the same order, in batches of 64, in fp32,
with plain SGD at 1e-3. A rival's library is imported when it is its turn.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from job.data.dataset import Dataset
from job.data.split import epoch_order
from job.model import build

RATE: Final = 1e-3
BATCH: Final = 64
CPU: Final = torch.device("cpu")
# Takes the number of an epoch, trains on it and returns its mean loss, if it has one.
Epoch = Callable[[int], float | None]


def tutorial(dataset: Dataset) -> Epoch:
    """The quickstart to the letter: pictures decoded one by one, its own shuffling."""
    import quickstart  # noqa: PLC0415  # torchvision takes two seconds
    from parity import unpack  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:  # torchvision keeps the decoded files in memory
        loader = quickstart.loader(unpack(dataset, Path(folder)), train=True)
    torch.manual_seed(0)
    model = quickstart.NeuralNetwork()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def epoch(_number: int) -> None:
        quickstart.train_loop(loader, model, nn.CrossEntropyLoss(), optimizer)

    return epoch


def tensor_dataset(dataset: Dataset) -> Epoch:
    """The common advice: decode once, then DataLoader over a TensorDataset."""
    images, labels = _tensors(dataset)
    model = build(0, 0.0, CPU)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def epoch(number: int) -> float:
        order = epoch_order(0, number, len(labels)).tolist()
        loader = DataLoader(TensorDataset(images, labels), BATCH, sampler=order)
        return _train(model, optimizer, loader, len(labels))

    return epoch


def compiled(dataset: Dataset) -> Epoch:
    """The same loop over resident tensors with the model under torch.compile."""
    images, labels = _tensors(dataset)
    model = build(0, 0.0, CPU)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    fast = torch.compile(model)

    def epoch(number: int) -> float:
        order = epoch_order(0, number, len(labels))
        batches = ((images[chosen], labels[chosen]) for chosen in order.split(BATCH))
        return _train(fast, optimizer, batches, len(labels))

    return epoch


def sklearn(dataset: Dataset) -> Epoch:
    """scikit-learn's MLPClassifier, plain SGD, one epoch at a time; its own initial weights."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    images, labels = _arrays(dataset)
    model = MLPClassifier(
        (512, 512),
        solver="sgd",
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        batch_size=BATCH,
        learning_rate_init=RATE,
        shuffle=False,
        random_state=0,
    )

    def epoch(number: int) -> float:
        order = epoch_order(0, number, len(labels)).numpy()
        model.partial_fit(images[order], labels[order], classes=np.arange(10))
        return float(model.loss_)

    return epoch


def jax(dataset: Dataset) -> Epoch:
    """JAX: the whole epoch in one jitted scan, the ragged last batch as a step of its own."""
    import jax as library  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    images, labels = (jnp.asarray(each) for each in _arrays(dataset))
    weights = [
        (jnp.asarray(layer.weight.detach().numpy()), jnp.asarray(layer.bias.detach().numpy()))
        for layer in build(0, 0.0, CPU).modules()
        if isinstance(layer, nn.Linear)
    ]

    def loss(weights: Any, inputs: Any, targets: Any) -> Any:
        for weight, bias in weights[:-1]:
            inputs = library.nn.relu(inputs @ weight.T + bias)
        logits = inputs @ weights[-1][0].T + weights[-1][1]
        shares = library.nn.log_softmax(logits)
        return -jnp.take_along_axis(shares, targets[:, None], 1).mean()

    def step(weights: Any, chosen: Any) -> Any:
        value, slopes = library.value_and_grad(loss)(weights, images[chosen], labels[chosen])
        return library.tree.map(lambda w, s: w - RATE * s, weights, slopes), value * len(chosen)

    def whole(weights: Any, order: Any) -> Any:
        full = len(order) // BATCH * BATCH
        weights, sums = library.lax.scan(step, weights, order[:full].reshape(-1, BATCH))
        weights, last = step(weights, order[full:])
        return weights, (sums.sum() + last) / len(order)

    whole_epoch = library.jit(whole)

    def epoch(number: int) -> float:
        nonlocal weights
        order = jnp.asarray(epoch_order(0, number, len(labels)).numpy())
        weights, mean = whole_epoch(weights, order)
        return float(mean)

    return epoch


def _arrays(dataset: Dataset) -> tuple[Any, Any]:
    images = dataset.train_images.reshape(-1, 784).astype(np.float32) / np.float32(255)
    return images, dataset.train_labels.astype(np.int64)


def _tensors(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = _arrays(dataset)
    return torch.from_numpy(images).view(-1, 1, 28, 28), torch.from_numpy(labels)


def _train(model: Any, optimizer: torch.optim.Optimizer, batches: Any, images: int) -> float:
    total = 0.0
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(inputs)
    return total / images
