"""One measured run of one contender, in a process of its own.

    python bench/contenders.py NAME DATA_DIR

Prints one line of JSON: `seconds`, and what else it has to tell. For who trains, these are the
seconds and the mean loss of an epoch after an epoch that warms up.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()

import products  # noqa: E402
import rivals  # noqa: E402
import torch  # noqa: E402  # after the line above, as in the job
from rivals import CPU, Epoch  # noqa: E402

from job.assemble import Trainee, make_trainee  # noqa: E402
from job.data import source  # noqa: E402
from job.data.dataset import Dataset  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import as_input, in_order, plan_epoch  # noqa: E402
from job.evaluate import evaluate  # noqa: E402
from job.settings import Settings  # noqa: E402
from job.train import START, train  # noqa: E402

Run = dict[str, Any]
# The road to the tutorial's accuracy after its ten epochs; some seeds, because each has its luck.
WANTED_ACCURACY: Final = 0.71
FAST_RATE: Final = 0.1
LOOKED_AFTER_STEPS: Final = 50
SEEDS: Final = range(5)
MOST_EPOCHS: Final = 10
# An evaluation is short, so one process does some.
TURNS: Final = 11


def job_epoch(kind: Any, dataset: Dataset, **settings: Any) -> Epoch:
    """Train as the job does, with one of its steps."""
    session = make_trainee(Settings(step=kind, **settings), dataset, CPU).session
    images = session.batches.images

    def epoch(number: int) -> float:
        plan = plan_epoch(0, number, images, horizontal_flip=False)
        for _ in session.step.run(session.batches.epoch(plan), 0):
            pass
        return session.step.take_loss() / images

    return epoch


def second_epoch(start: Callable[[Dataset], Epoch], dataset: Dataset) -> Run:
    """Train for two epochs; tell the seconds of the second, and its loss where there is one."""
    epoch = start(dataset)
    epoch(0)
    started = time.perf_counter()
    loss = epoch(1)
    seconds = time.perf_counter() - started
    return {"seconds": seconds} | ({} if loss is None else {"loss": loss})


def to_71(dataset: Dataset, wanted: float = WANTED_ACCURACY) -> Run:
    """Mean seconds of training, over some seeds, until the test accuracy is first the wanted one.

    The test set is looked at every 50 steps, and the clock stands still meanwhile.
    """
    _road(dataset, SEEDS[0], wanted)  # warms up
    roads = [_road(dataset, seed, wanted) for seed in SEEDS]
    seconds = [road["seconds"] for road in roads]
    return {"seconds": statistics.mean(seconds), "steps": [road["steps"] for road in roads]}


def evaluation(dataset: Dataset) -> Run:
    """Median seconds of the job's evaluation, and of its products alone, measured in turns."""
    trainee = make_trainee(Settings(), dataset, CPU)
    images = as_input(torch.tensor(dataset.test_images)).flatten(1)
    times = _in_turns({"seconds": partial(_accuracy, trainee), **products.forward_products(images)})
    found = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {**found, "products_seconds": min(found["mm_seconds"], found["job_calls_seconds"])}


CONTENDERS: Final[dict[str, Callable[[Dataset], Run]]] = {
    "tutorial": partial(second_epoch, rivals.tutorial),
    "job": partial(second_epoch, partial(job_epoch, "auto")),
    "jax": partial(second_epoch, rivals.jax),
    "gemms": partial(second_epoch, products.gemms),
    "gemms-best": partial(second_epoch, products.gemms_best),
    "job-bf16": partial(second_epoch, partial(job_epoch, "auto", precision="bf16")),
    "job-eager": partial(second_epoch, partial(job_epoch, "eager")),
    "sklearn": partial(second_epoch, rivals.sklearn),
    "tensor-dataset": partial(second_epoch, rivals.tensor_dataset),
    "torch-compile": partial(second_epoch, rivals.compiled),
    "to-71": to_71,
    "evaluation": evaluation,
}


def _road(dataset: Dataset, seed: int, wanted: float) -> Run:
    trainee = make_trainee(Settings(learning_rate=FAST_RATE, seed=seed), dataset, CPU)
    seconds, started = 0.0, time.perf_counter()
    for steps in _steps(trainee, seed):
        if steps % LOOKED_AFTER_STEPS == 0:
            seconds += time.perf_counter() - started
            if _accuracy(trainee) >= wanted:
                return {"seconds": seconds, "steps": steps}
            started = time.perf_counter()
    raise SystemExit(f"seed {seed}: no accuracy of {wanted} within {MOST_EPOCHS} epochs")


def _steps(trainee: Trainee, seed: int) -> Iterator[int]:
    session = trainee.session
    plan = partial(plan_epoch, seed, size=session.batches.images, horizontal_flip=False)
    for position in train(session.step, session.batches, plan, MOST_EPOCHS, START):
        yield position.epoch * len(session.batches) + position.batch


def _accuracy(trainee: Trainee) -> float:
    batches = trainee.test.epoch(in_order(trainee.test.images))
    return evaluate(trainee.network, batches, len(FASHION_MNIST.classes)).accuracy


def _in_turns(works: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each, the first turn, which warms up, left out."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TURNS + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
    return {name: seconds[1:] for name, seconds in times.items()}


if __name__ == "__main__":
    read = source.read(FASHION_MNIST, data_dir=Path(sys.argv[2]), offline=True)
    sys.stdout.write(json.dumps(CONTENDERS[sys.argv[1]](read)) + "\n")
