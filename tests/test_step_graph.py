"""The graph step is the eager one, many steps at a time; what is said here needs no GPU.

On a CPU a replay does its steps directly. That it does the same as a CUDA graph is for `tests/gpu`.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from job.data.split import ResidentBatches, ResidentEpoch, Split, plan_epoch
from job.errors import SettingsError
from job.layers import linear_layers
from job.model import NeuralNetwork, build
from job.schedule import constant, one_cycle
from job.step import Step, Update, graph
from job.step.contract import LossSum
from job.step.eager import EagerStep
from job.step.graph import STEPS_PER_REPLAY, GraphStep, Replay
from tapes import count_launches, taped

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
# Sixteen batches, the last of forty images: one replay, and one of two batches and filling.
IMAGES, BATCH_SIZE = 1000, 64
RATE = 0.05
# The two add the same products in another order; after an epoch of sixteen steps they differ by
# some units in the last place of weights that are below one.
TOLERANCE = 2e-6
State = dict[str, Tensor]


def make_split(images: int = IMAGES) -> Split:
    """Images that have something to do with their labels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, images, np.uint8)
    pixels = random.integers(0, 100, (images, 28, 28), np.uint8) + 15 * labels[:, None, None]
    return Split.on(CPU, pixels.astype(np.uint8), labels)


def epoch(
    split: Split, number: int = 0, first: int = 0, *, flip: bool = False, size: int = BATCH_SIZE
) -> ResidentEpoch:
    """What is left of an epoch from the `first` batch on."""
    plan = plan_epoch(0, number, len(split), horizontal_flip=flip)
    return ResidentBatches(split, size).epoch(plan, first)


def graph_step(size: int = BATCH_SIZE) -> GraphStep:
    """A step whose rate is another one in each of sixty-four steps."""
    return GraphStep(build(0, 0.0, CPU), one_cycle(RATE, 64), size)


def eager_step() -> EagerStep:
    """Its reference."""
    return EagerStep(build(0, 0.0, CPU), Update("sgd", one_cycle(RATE, 64)), "fp32")


def go(step: Step, rest: ResidentEpoch, first_step: int = 0) -> State:
    """Train on all of it; return copies of the weights."""
    for _ in step.run(rest, first_step):
        pass
    return {name: value.clone() for name, value in step.state().items()}


def farthest(a: State, b: State) -> float:
    """The largest difference between two weights of one name."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("flip", [False, True], ids=["as-they-are", "mirrored"])
def test_graph_step_equals_the_eager_step_after_an_epoch(flip: bool) -> None:
    """Weights within the stated tolerance, the loss to seven digits; the ragged batch is kept."""
    split, eager, fast = make_split(), eager_step(), graph_step()

    expected = go(eager, epoch(split, flip=flip))
    assert farthest(go(fast, epoch(split, flip=flip)), expected) < TOLERANCE
    assert fast.take_loss() == pytest.approx(eager.take_loss(), rel=1e-6)


def test_long_epoch_at_the_quickstarts_rate_equals_the_eager_one() -> None:
    """Two hundred batches and a ragged one stay within the same tolerance."""
    split = make_split(200 * BATCH_SIZE + 32)
    eager = EagerStep(build(0, 0.0, CPU), Update("sgd", constant(1e-3)), "fp32")
    fast = GraphStep(build(0, 0.0, CPU), constant(1e-3), BATCH_SIZE)

    assert farthest(go(fast, epoch(split)), go(eager, epoch(split))) < TOLERANCE
    assert fast.take_loss() == pytest.approx(eager.take_loss(), rel=1e-6)


def test_tolerance_would_notice_a_forgotten_image() -> None:
    """An epoch without its last image is far outside of it, so the claims above can fail."""
    split = make_split()
    whole = epoch(split)
    short = replace(whole, order=whole.order[:-1])

    assert farthest(go(graph_step(), whole), go(graph_step(), short)) > 10 * TOLERANCE


@pytest.mark.parametrize(
    ("images", "size"), [(40, 64), (64, 64), (65, 64), (896, 64), (897, 64), (57, 3), (30, 1)]
)
def test_every_size_of_an_epoch_equals_the_eager_one(images: int, size: int) -> None:
    """One batch or many, filled up or not, the weights are those of the same batches."""
    split = make_split(images)

    expected = go(eager_step(), epoch(split, size=size))
    assert farthest(go(graph_step(size), epoch(split, size=size)), expected) < TOLERANCE


def test_each_replay_is_reported_when_its_weights_are_whole() -> None:
    """The counts end at the last batch, and what they count has been trained on."""
    split, step, reference = make_split(2000), graph_step(), eager_step()
    seen = [0]
    for done in step.run(epoch(split), 0):
        images = epoch(split).order[seen[-1] * BATCH_SIZE : done * BATCH_SIZE]
        trained = go(reference, replace(epoch(split), order=images), seen[-1])
        assert farthest(step.state(), trained) < 2 * TOLERANCE
        seen.append(done)

    assert seen == [0, STEPS_PER_REPLAY, 2 * STEPS_PER_REPLAY, 32]


@pytest.mark.parametrize("first", [1, 7, STEPS_PER_REPLAY, 15])
def test_resumed_epoch_equals_a_whole_one_to_the_bit(first: int) -> None:
    """The replays of a resumed run begin elsewhere; weights and loss do not show it."""
    split, whole, half, resumed = make_split(), graph_step(), graph_step(), graph_step()
    beginning = epoch(split).order[: first * BATCH_SIZE]
    go(half, replace(epoch(split), order=beginning))
    resumed.load({name: value.clone() for name, value in half.state().items()})

    seen = go(resumed, epoch(split, first=first), first)
    assert farthest(go(whole, epoch(split)), seen) == 0
    assert half.take_loss() + resumed.take_loss() == whole.take_loss()


def test_recording_changes_no_weight_and_no_loss() -> None:
    """The rehearsal does all that a replay does, with images that count for nothing."""
    network, loss = build(0, 0.0, CPU), LossSum(CPU)
    layers = [(layer.weight.data, layer.bias.data) for layer in linear_layers(network)]
    replay = Replay(layers, loss, epoch(make_split(), flip=True), BATCH_SIZE)
    replay._rehearse()

    assert replay._positions[0] == len(replay._positions)
    assert loss.take() == 0
    expected = build(0, 0.0, CPU).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_epochs_share_one_recording() -> None:
    """Nothing is recorded twice, and the second epoch has its own order and rates."""
    split, eager, fast = make_split(), eager_step(), graph_step()
    go(fast, epoch(split, flip=True))
    recorded = fast._replay
    go(eager, epoch(split, flip=True))

    seen = go(fast, epoch(split, 1, flip=True), 16)
    assert farthest(seen, go(eager, epoch(split, 1, flip=True), 16)) < 2 * TOLERANCE
    assert fast._replay is recorded


def test_another_split_or_mirroring_is_recorded_anew() -> None:
    """A recording never reads what another epoch left in its buffers."""
    first, second, step = make_split(), make_split(500), graph_step()
    seen = []
    for rest in (epoch(first), epoch(first, flip=True), epoch(second, flip=True)):
        go(step, rest)
        seen.append(step._replay)

    assert all(a is not b for a, b in pairwise(seen))


def test_model_that_is_evaluated_is_the_one_that_is_trained() -> None:
    """The step works on the network's own tensors."""
    network = build(0, 0.0, CPU)
    trained = go(GraphStep(network, constant(RATE), BATCH_SIZE), epoch(make_split()))
    expected = {f"model.{name}": value for name, value in network.state_dict().items()}

    assert farthest(expected, trained) == 0


def test_loss_starts_anew_when_it_was_taken() -> None:
    """A sum is counted once."""
    step = graph_step()
    go(step, epoch(make_split()))

    assert step.take_loss() > 0
    assert step.take_loss() == 0


def test_loss_that_is_no_number_is_not_hidden() -> None:
    """A diverged run is told by its loss."""
    step = graph_step()
    step.load({name: torch.full_like(value, torch.nan) for name, value in step.state().items()})
    go(step, epoch(make_split()))

    assert np.isnan(step.take_loss())


def test_epoch_of_which_nothing_is_left_does_nothing() -> None:
    """There is no replay of filling alone."""
    step, rest = graph_step(), epoch(make_split())

    assert list(step.run(replace(rest, order=rest.order[:0]), 0)) == []


def test_batches_that_others_gather_are_refused() -> None:
    """The DataLoader's batches are not in a split that a replay could read."""
    with pytest.raises(SettingsError, match="JOB_STEP=graph with JOB_PIPELINE=dataloader"):
        next(graph_step().run(iter(epoch(make_split())), 0))


@pytest.mark.parametrize("flip", [False, True], ids=["as-they-are", "mirrored"])
def test_steps_that_are_repeated_without_their_python_do_the_same(
    monkeypatch: pytest.MonkeyPatch, flip: bool
) -> None:
    """All that a replay reads and moves on lies in tensors, as a CUDA graph needs it."""
    split, direct, repeated = make_split(2000), graph_step(), graph_step()
    with monkeypatch.context() as patched:
        patched.setattr(graph, "_recorded", lambda steps, _rehearse, _device: taped(steps))
        repeated._prepared(epoch(split, flip=flip))

    for number in (0, 1):
        expected = go(direct, epoch(split, number, flip=flip), 32 * number)
        seen = go(repeated, epoch(split, number, flip=flip), 32 * number)
        assert farthest(seen, expected) == 0
    assert repeated.take_loss() == direct.take_loss()


def replay_on_a_gpu_that_is_not_there(images: int) -> Replay:
    """A replay over tensors that have a device and shapes, and no values."""
    with CUDA:
        network = NeuralNetwork()
        split = Split(
            torch.empty(images, 28, 28, dtype=torch.uint8), torch.empty(images, dtype=torch.int64)
        )
    step = GraphStep(network, constant(RATE), BATCH_SIZE)
    rest = ResidentEpoch(split, torch.empty(images, dtype=torch.int64), None, BATCH_SIZE)
    return step._prepared(rest)


@pytest.fixture
def _steps_are_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_captured", lambda steps, _rehearse, _device: steps)


@pytest.mark.usefixtures("_steps_are_not_captured")
def test_replay_neither_waits_for_the_device_nor_reads_from_the_host() -> None:
    """Tensors without values refuse to be read, and tensors of two devices to meet."""
    with FakeTensorMode(), torch.no_grad():
        replay_on_a_gpu_that_is_not_there(60_000)._advance()


@pytest.mark.usefixtures("_steps_are_not_captured")
def test_step_starts_fifteen_operations() -> None:
    """On a GPU they are its time; what is gathered for all steps of a replay is seventeen more."""
    with FakeTensorMode(), torch.no_grad():
        counts = []
        for steps in (2, STEPS_PER_REPLAY):
            replay = replay_on_a_gpu_that_is_not_there(steps * BATCH_SIZE)
            counts.append(count_launches(replay._advance))

    assert counts == [2 * 15 + 17, STEPS_PER_REPLAY * 15 + 17]
