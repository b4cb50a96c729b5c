"""The fused step is the eager one without its bookkeeping."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from job.data.split import Batch, ResidentBatches, Split, plan_epoch
from job.model import build
from job.schedule import constant, one_cycle
from job.step import Precision, Step, Update
from job.step.eager import EagerStep, weights_of
from job.step.fused import FusedStep, what_fused_lacks

CPU = torch.device("cpu")
IMAGES, BATCH_SIZE = 1000, 64
RATE = 0.05
# The two add the same products in another order; after an epoch of sixteen steps they differ by
# some units in the last place of weights that are below one.
TOLERANCE = 2e-6


def split_of(seed: int) -> ResidentBatches:
    """Images that have something to do with their labels; the last batch is of forty."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, IMAGES, np.uint8)
    images = random.integers(0, 100, (IMAGES, 28, 28), np.uint8) + 15 * labels[:, None, None]
    return ResidentBatches(Split.on(CPU, images.astype(np.uint8), labels), BATCH_SIZE)


def batches(first: int = 0, *, one_hot: bool = False) -> Iterator[Batch]:
    """An epoch of such images, batch by batch."""
    plan = plan_epoch(0, 0, IMAGES, horizontal_flip=False)
    for inputs, targets in split_of(0).epoch(plan, first):
        yield inputs, functional.one_hot(targets, 10).float() if one_hot else targets


def pair(precision: Precision = "fp32") -> tuple[Step, Step]:
    """An eager and a fused step over equal networks."""
    update = Update("sgd", one_cycle(RATE, 32))
    return (
        EagerStep(build(0, 0.0, CPU), update, precision),
        FusedStep(build(0, 0.0, CPU), update.schedule, precision),
    )


def go(step: Step, epoch: Iterable[Batch], first_step: int = 0) -> dict[str, Tensor]:
    """Train on all of it; return copies of the weights."""
    for _ in step.run(epoch, first_step):
        pass
    return {name: value.clone() for name, value in step.state().items()}


def farthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest difference between two weights of one name."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_fused_step_equals_the_eager_step_after_an_epoch() -> None:
    """Weights within the stated tolerance, the loss to seven digits; the ragged batch is kept."""
    eager, fused = pair()

    assert farthest(go(eager, batches()), go(fused, batches())) < TOLERANCE
    assert fused.take_loss() == pytest.approx(eager.take_loss(), rel=1e-6)


def test_fused_step_in_bf16_is_as_near_to_fp32_as_autocast_is() -> None:
    """Both round the same products to eight bits; neither drifts farther than twice the other."""
    exact, _ = pair()
    eager, fused = pair("bf16")
    wanted = go(exact, batches())
    error_of_autocast = farthest(go(eager, batches()), wanted)

    assert 10 * TOLERANCE < farthest(go(fused, batches()), wanted) < 2 * error_of_autocast
    assert fused.take_loss() == pytest.approx(eager.take_loss(), rel=1e-3)


def test_weights_stay_fp32_in_bf16() -> None:
    """What is saved has the same type in every precision, and so do the small updates."""
    _, fused = pair("bf16")

    assert {value.dtype for value in go(fused, batches()).values()} == {torch.float32}


def test_tolerance_would_notice_a_forgotten_term() -> None:
    """An epoch at another rate is far outside of it, so the claim above can fail."""
    _, fused = pair()
    other = FusedStep(build(0, 0.0, CPU), constant(RATE / 20), "fp32")

    assert farthest(go(fused, batches()), go(other, batches())) > 100 * TOLERANCE


def test_last_yield_tells_of_every_batch_and_those_before_of_four() -> None:
    """The supervisor looks after 16 and 100 batches, so each of these has to be told."""
    _, fused = pair()

    assert list(fused.run(batches(), 0)) == [4, 8, 12, 16]
    assert list(fused.run(batches(first=6), 6)) == [4, 8, 10]
    assert list(fused.run(iter(()), 16)) == []


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("flip", [True, False])
def test_prepared_split_gives_the_same_weights(precision: Precision, *, flip: bool) -> None:
    """What is done once for the whole split changes nothing, to the bit, and no other split."""
    resident = split_of(0), split_of(1)
    plan = plan_epoch(0, 0, IMAGES, horizontal_flip=flip)
    (_, prepared), (_, plain) = pair(precision), pair(precision)
    for split in resident:
        seen = go(prepared, split.epoch(plan))
        wanted = go(plain, iter(split.epoch(plan)))

        assert farthest(seen, wanted) == 0
        assert prepared.take_loss() == plain.take_loss()
        assert split.split.images.dtype == torch.uint8
        assert split.split.labels.dim() == 1


def test_one_hot_targets_are_labels() -> None:
    """The quickstart's target transform changes nothing, to the bit."""
    (_, labels), (_, one_hot) = pair(), pair()

    assert farthest(go(labels, batches()), go(one_hot, batches(one_hot=True))) == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_epoch_equals_a_whole_one(precision: Precision) -> None:
    """State and load in the middle of an epoch lose nothing, to the bit."""
    (_, whole), (_, half), (_, resumed) = pair(precision), pair(precision), pair(precision)
    go(half, (batch for number, batch in enumerate(batches()) if number < 7))
    resumed.load({name: value.clone() for name, value in half.state().items()})

    assert farthest(go(whole, batches()), go(resumed, batches(first=7), first_step=7)) == 0


def test_model_that_is_evaluated_is_the_one_that_is_trained() -> None:
    """The step works on the network's own tensors."""
    network = build(0, 0.0, CPU)
    step = FusedStep(network, constant(RATE), "fp32")
    trained = go(step, batches())

    assert farthest(weights_of(network), trained) == 0
    assert farthest(weights_of(build(0, 0.0, CPU)), trained) > TOLERANCE


def test_loss_starts_anew_when_it_was_taken() -> None:
    """A sum is counted once."""
    _, fused = pair()
    go(fused, batches())

    assert fused.take_loss() > 0
    assert fused.take_loss() == 0


@pytest.mark.parametrize(
    ("update", "named"),
    [
        (Update("sgd", constant(RATE)), ""),
        (Update("adamw", constant(RATE)), "JOB_OPTIMIZER=adamw"),
        (Update("sgd", constant(RATE), momentum=0.9, dropout=0.1), "JOB_MOMENTUM, JOB_DROPOUT"),
        (Update("sgd", constant(RATE), weight_decay=0.1), "JOB_WEIGHT_DECAY"),
        (Update("sgd", constant(RATE), label_smoothing=0.1), "JOB_LABEL_SMOOTHING"),
    ],
)
def test_what_the_step_does_not_know_is_named(update: Update, named: str) -> None:
    """Plain SGD is all of it."""
    assert what_fused_lacks(update) == named
