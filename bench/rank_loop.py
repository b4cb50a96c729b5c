"""One rank under measurement: the job's step, torch's wrapper beside it, and the exchange alone.

    python bench/rank_loop.py DATA_DIR WINDOWS STEPS      its place is in the environment

Each contender is timed over windows of so many steps, and the contenders take turns, because a
machine's speed drifts. Rank 0 prints JSON: by contender, the seconds of a step in each window.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()  # as the job does

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

from job.__main__ import leave  # noqa: E402
from job.assemble import Trainee, make_trainee  # noqa: E402
from job.data import source  # noqa: E402
from job.data.dataset import Dataset  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import EpochPlan, plan_epoch  # noqa: E402
from job.schedule import constant  # noqa: E402
from job.settings import Settings, load  # noqa: E402
from job.step import Update  # noqa: E402
from job.step.eager import EagerStep  # noqa: E402
from job.stop import StopFlag  # noqa: E402
from job.world import Pace, World, here, join  # noqa: E402

CPU: Final = torch.device("cpu")
KINDS: Final = ("eager", "fused")
# One number; a network eleven times smaller; this one's gradient with its count; six times that.
EXCHANGED_BYTES: Final = (4, 65_536, 2_678_828, 16_777_216)
STEPS_AN_EXCHANGE: Final = 4  # so that windows of most bytes are not the longest
Contender = Callable[[], float]


class WrappedStep(EagerStep):
    """The eager step of a model in torch's own wrapper, as its documentation has it."""

    name = "ddp"

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        """Train `model` in place."""
        update = Update("sgd", constant(learning_rate))
        super().__init__(DistributedDataParallel(model), update, "fp32")


def contenders(dataset: Dataset, world: World, steps: int) -> dict[str, Contender]:
    """What is measured in a world of this size: by name, what gives the seconds of a step."""
    if world.size == 1:
        alone = {kind: _trainee(dataset, world, kind) for kind in KINDS}
        return {kind: _training(trainee, world, steps) for kind, trainee in alone.items()}
    shared, wrapped = (_trainee(dataset, world, "auto") for _ in range(2))
    wrapped.session.step = WrappedStep(wrapped.network, Settings().learning_rate)
    training = {each.session.step.name: _training(each, world, steps) for each in (shared, wrapped)}
    times = steps // STEPS_AN_EXCHANGE
    exchange = {f"exchange {size}": _exchange(size, world, times) for size in EXCHANGED_BYTES}
    return training | exchange


def measure(contestants: dict[str, Contender], windows: int) -> dict[str, list[float]]:
    """Seconds a step of each, by turns, after a window that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for window in range(windows + 1):
        for name in list(contestants)[:: -1 if window % 2 else 1]:
            seconds[name].append(contestants[name]())
    return {name: times[1:] for name, times in seconds.items()}


def _trainee(dataset: Dataset, world: World, kind: str) -> Trainee:
    return make_trainee(load(Settings, [f"--step={kind}"], "ranks"), dataset, CPU, world)


def _training(trainee: Trainee, world: World, steps: int) -> Contender:
    """Train as the job's loop does, which asks every so often whether a rank is to stop."""
    batches, step = trainee.session.batches, trainee.session.step
    order = plan_epoch(0, 0, batches.images, horizontal_flip=False).order
    plan = EpochPlan(order[: steps * batches.batch_size], None)

    def train() -> None:
        pace = Pace(world)
        for _ in step.run(batches.epoch(plan), 0):
            pace.agree([False, False])

    return partial(_seconds, train, steps, world)


def _exchange(size: int, world: World, times: int) -> Contender:
    flat = torch.zeros(size // 4)

    def exchange() -> None:
        for _ in range(times):
            world.sum(flat)

    return partial(_seconds, exchange, times, world)


def _seconds(run: Callable[[], None], times: int, world: World) -> float:
    """A `times`-th of what `run` takes from when the first rank begins to when the last is done."""
    world.barrier()
    began = time.perf_counter()
    run()
    world.barrier()
    return (time.perf_counter() - began) / times


def main(data_dir: Path, windows: int, steps: int) -> None:
    """Meet the others, measure, and let rank 0 tell."""
    dataset = source.read(FASHION_MNIST, data_dir=data_dir, offline=True)
    with join(here(Settings()), CPU, StopFlag()) as world:
        found = measure(contenders(dataset, world, steps), windows)
        if world.is_main:
            sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    leave(0)  # as the job does, whose signs of life go on to the last moment
