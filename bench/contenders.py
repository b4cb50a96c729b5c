"""One epoch of the quickstart's training, by this job and by what a user would pick instead.

    python bench/contenders.py NAME DATA_DIR

Prints one line of JSON: the seconds of an epoch after a warm-up epoch, and its mean loss. All but
the tutorial's own code go through the images in the same order, in batches of 64, in fp32, with
plain SGD at 1e-3; each runs in a process of its own.
"""

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()

import numpy as np  # noqa: E402  # after the line above, as in the job
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from job.assemble import make_trainee  # noqa: E402
from job.data import source  # noqa: E402
from job.data.source import Dataset  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import epoch_order, in_order  # noqa: E402
from job.evaluate import evaluate  # noqa: E402
from job.model import build  # noqa: E402
from job.settings import Settings  # noqa: E402

RATE: Final = 1e-3
BATCH: Final = 64
CPU: Final = torch.device("cpu")
# Each takes the number of an epoch, trains on it and returns its mean loss (NaN if it has none).
Epoch = Callable[[int], float]


def job_step(kind: Any, **settings: Any) -> Callable[[Dataset], Epoch]:
    """Train as the job does, with one of its steps."""

    def start(dataset: Dataset) -> Epoch:
        session = make_trainee(Settings(step=kind, **settings), dataset, CPU).session

        def epoch(number: int) -> float:
            plan = in_order(session.batches.images)
            plan = type(plan)(epoch_order(0, number, session.batches.images), None)
            for _ in session.step.run(session.batches.epoch(plan), 0):
                pass
            return session.step.take_loss() / session.batches.images

        return epoch

    return start


def tutorial(dataset: Dataset) -> Epoch:
    """The quickstart to the letter: pictures decoded one by one, its own shuffling."""
    import quickstart  # noqa: PLC0415  # torchvision takes two seconds
    from parity import unpack  # noqa: PLC0415

    folder = tempfile.mkdtemp()
    loader = quickstart.loader(unpack(dataset, Path(folder)), train=True)
    torch.manual_seed(0)
    model = quickstart.NeuralNetwork()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def epoch(_number: int) -> float:
        quickstart.train_loop(loader, model, nn.CrossEntropyLoss(), optimizer)
        return float("nan")

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
    """scikit-learn's MLPClassifier, plain SGD, one epoch at a time."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415  # a rival, not a dependency

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
    )

    def epoch(number: int) -> float:
        order = epoch_order(0, number, len(labels)).numpy()
        model.partial_fit(images[order], labels[order], classes=np.arange(10))
        return float(model.loss_)

    return epoch


def jax(dataset: Dataset) -> Epoch:
    """JAX: the whole epoch in one jitted scan, the ragged last batch as a step of its own."""
    import jax as library  # noqa: PLC0415  # a rival, not a dependency
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


def gemms(_dataset: Dataset) -> Epoch:
    """The roofline: the eight matrix products of a step and nothing else, back to back."""
    widths = (784, 512, 512, 10)
    values = [torch.rand(BATCH, width) for width in widths]
    slopes = [torch.rand(BATCH, width) for width in widths]
    weights = [torch.rand(b, a) for a, b in itertools.pairwise(widths)]

    def products() -> None:
        for number, weight in enumerate(weights):
            torch.mm(values[number], weight.t(), out=values[number + 1])
        for number in reversed(range(len(weights))):
            if number:
                torch.mm(slopes[number + 1], weights[number], out=slopes[number])
            weights[number].addmm_(slopes[number + 1].t(), values[number], alpha=-1e-9)

    def epoch(_number: int) -> float:
        for _ in range(-(-60_000 // BATCH)):
            products()
        return float("nan")

    return epoch


def evaluation(dataset: Dataset) -> Epoch:
    """Not training: the job's evaluation of 10,000 images."""
    trainee = make_trainee(Settings(), dataset, CPU)

    def epoch(_number: int) -> float:
        batches = trainee.test.epoch(in_order(trainee.test.images))
        return evaluate(trainee.network, batches, 10).loss

    return epoch


CONTENDERS: Final[dict[str, Callable[[Dataset], Epoch]]] = {
    "job": job_step("auto"),
    "job-eager": job_step("eager"),
    "job-bf16": job_step("auto", precision="bf16"),
    "tutorial": tutorial,
    "tensor-dataset": tensor_dataset,
    "torch-compile": compiled,
    "sklearn": sklearn,
    "jax": jax,
    "gemms": gemms,
    "evaluation": evaluation,
}


def measure(name: str, data_dir: Path) -> dict[str, float | str]:
    """Seconds and mean loss of the second epoch."""
    dataset = source.read(FASHION_MNIST, data_dir=data_dir, offline=True)
    epoch = CONTENDERS[name](dataset)
    with torch.set_grad_enabled(name != "gemms"):
        epoch(0)
        started = time.perf_counter()
        loss = epoch(1)
    return {"name": name, "seconds": time.perf_counter() - started, "loss": loss}


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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))) + "\n")
