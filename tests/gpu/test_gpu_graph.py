"""On a real GPU the CUDA graph does what the eager step does, and waits for nothing.

make test-gpu     or, where torch, pydantic and structlog are: python3 -m pytest tests/gpu
"""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from job.data.split import ResidentBatches, ResidentEpoch, Split, plan_epoch
from job.model import build
from job.schedule import constant, one_cycle
from job.step import Precision, Step, Update, make_step
from job.step.choice import Kind
from job.step.graph import STEPS_PER_REPLAY, GraphStep

CUDA = torch.device("cuda")
IMAGES, BATCH_SIZE = 60_000, 64
QUICKSTART = Update("sgd", constant(1e-3))
# On a CPU the two differ by 1.2e-6 after an epoch of the real images at the quickstart's rate.
TOLERANCE = 1e-5
# tf32 keeps ten bits of a factor, and the two round factors of different scale.
TF32_TOLERANCE = 1e-3
State = dict[str, Tensor]


@pytest.fixture(scope="session", autouse=True)
def _gpu() -> None:
    """Where there is no GPU these tests fail, and none is skipped."""
    if not torch.cuda.is_available():
        pytest.fail("these tests need a GPU that torch can use; `make test` needs none")


@pytest.fixture(scope="module")
def split() -> Split:
    """As many images as the training set has, which have something to do with their labels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, IMAGES, np.uint8)
    pixels = random.integers(0, 100, (IMAGES, 28, 28), np.uint8) + 15 * labels[:, None, None]
    return Split.on(CUDA, pixels.astype(np.uint8), labels)


def epoch(
    split: Split, number: int = 0, first: int = 0, *, flip: bool = False, size: int = BATCH_SIZE
) -> ResidentEpoch:
    """What is left of an epoch from the `first` batch on."""
    plan = plan_epoch(0, number, len(split), horizontal_flip=flip)
    return ResidentBatches(split, size).epoch(plan, first)


def make(
    kind: Kind,
    update: Update = QUICKSTART,
    precision: Precision = "fp32",
    size: int = BATCH_SIZE,
) -> Step:
    """The step of that name over a new network."""
    return make_step(build(0, 0.0, CUDA), update, size, kind=kind, precision=precision)


def go(step: Step, rest: ResidentEpoch, first_step: int = 0) -> State:
    """Train on all of it; return copies of the weights."""
    for _ in step.run(rest, first_step):
        pass
    return {name: value.clone() for name, value in step.state().items()}


def farthest(a: State, b: State) -> float:
    """The largest difference between two weights of one name."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def seconds(step: Step, rest: ResidentEpoch) -> float:
    """The time of an epoch, until its loss is known."""
    step.take_loss()
    started = time.perf_counter()
    for _ in step.run(rest, 0):
        pass
    step.take_loss()
    return time.perf_counter() - started


@pytest.mark.parametrize("flip", [False, True], ids=["as-they-are", "mirrored"])
def test_graph_equals_the_eager_step_after_an_epoch(split: Split, flip: bool) -> None:
    """Weights within the stated tolerance, the loss to six digits; the ragged batch is kept."""
    eager, fast = make("eager"), make("graph")

    expected = go(eager, epoch(split, flip=flip))
    assert farthest(go(fast, epoch(split, flip=flip)), expected) < TOLERANCE
    assert fast.take_loss() == pytest.approx(eager.take_loss(), rel=1e-5)


def test_rates_of_a_cycle_reach_the_graph(split: Split) -> None:
    """Every step has its own rate, though nothing is recorded anew."""
    update = Update("sgd", one_cycle(2e-3, 938))

    expected = go(make("eager", update), epoch(split))
    assert farthest(go(make("graph", update), epoch(split)), expected) < 2 * TOLERANCE


def test_tolerance_would_notice_a_forgotten_batch(split: Split) -> None:
    """An epoch without its ragged batch is outside of it, so the claims above can fail."""
    whole = epoch(split)
    short = replace(whole, order=whole.order[: -(IMAGES % BATCH_SIZE)])

    assert farthest(go(make("graph"), whole), go(make("graph"), short)) > 2 * TOLERANCE


def test_tf32_is_recorded_when_it_is_asked_for(split: Split) -> None:
    """It is another arithmetic than fp32, and the eager step's."""
    expected = go(make("eager", precision="tf32"), epoch(split))
    seen = go(make("graph", precision="tf32"), epoch(split))

    assert farthest(seen, expected) < TF32_TOLERANCE
    assert farthest(seen, go(make("graph"), epoch(split))) > 0


def test_two_runs_are_equal_to_the_bit(split: Split) -> None:
    """Nothing in a replay depends on which thread comes first."""
    first, second = make("graph"), make("graph")

    assert farthest(go(first, epoch(split)), go(second, epoch(split))) == 0
    assert first.take_loss() == second.take_loss()


@pytest.mark.parametrize(("size", "first"), [(64, STEPS_PER_REPLAY), (64, 333), (50, 333), (63, 1)])
def test_resumed_epoch_equals_a_whole_one_to_the_bit(split: Split, size: int, first: int) -> None:
    """The replays of a resumed run begin elsewhere; weights and loss do not show it."""
    whole, half, resumed = (make("graph", size=size) for _ in range(3))
    beginning = epoch(split, size=size).order[: first * size]
    go(half, replace(epoch(split, size=size), order=beginning))
    resumed.load({name: value.cpu() for name, value in half.state().items()})

    seen = go(resumed, epoch(split, first=first, size=size), first)
    assert farthest(go(whole, epoch(split, size=size)), seen) == 0
    assert half.take_loss() + resumed.take_loss() == whole.take_loss()


def test_recording_changes_no_weight_and_no_loss(split: Split) -> None:
    """The rehearsals before it train on images that count for nothing."""
    network = build(0, 0.0, CUDA)
    step = GraphStep(network, constant(1e-3), BATCH_SIZE)
    replay = step._prepared(epoch(split))

    assert isinstance(getattr(replay.go, "__self__", None), torch.cuda.CUDAGraph)
    assert step.take_loss() == 0
    expected = build(0, 0.0, CUDA).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_epochs_share_one_recording(split: Split) -> None:
    """The second epoch has its own order, and equals the eager one's."""
    eager, step = make("eager"), GraphStep(build(0, 0.0, CUDA), constant(1e-3), BATCH_SIZE)
    go(step, epoch(split))
    go(eager, epoch(split))
    recorded = step._replay

    seen = go(step, epoch(split, 1), 938)
    assert farthest(seen, go(eager, epoch(split, 1), 938)) < 2 * TOLERANCE
    assert step._replay is recorded


# torch says so itself when the mode is set, once in a process.
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_replays_wait_for_nothing(split: Split) -> None:
    """After the first of an epoch the host asks the device for nothing but more of them."""
    progress = make("graph").run(epoch(split), 0)
    next(progress)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert list(progress)[-1] == 938
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_graph_takes_less_than_half_of_the_eager_steps_time(split: Split) -> None:
    """What the graph is for; `bench/gpu.py` has the numbers."""
    times = {}
    for kind in ("eager", "graph"):
        step = make("eager" if kind == "eager" else "graph")
        go(step, epoch(split))
        times[kind] = min(seconds(step, epoch(split, number)) for number in (1, 2, 3))

    assert times["graph"] < times["eager"] / 2, times
