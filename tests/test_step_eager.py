"""The eager step is the quickstart's loop, and can stop anywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from job.data.reference import loaded
from job.data.split import Batch, Batches, ResidentBatches, Split, in_order, plan_epoch
from job.model import build
from job.schedule import constant, one_cycle
from job.step import Precision, Step, Update, make_step

CPU = torch.device("cpu")
IMAGES, BATCH_SIZE = 100, 16
RATE = 0.05
QUICKSTART = Update("sgd", constant(RATE))
UPDATES = {
    "sgd": QUICKSTART,
    "nesterov": Update("sgd", constant(RATE), momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adamw": Update("adamw", one_cycle(1e-3, 7), weight_decay=0.05, label_smoothing=0.1),
    "dropout": Update("adamw", constant(1e-3), dropout=0.3, seed=5),
}
State = dict[str, Tensor]


@pytest.fixture(params=UPDATES)
def update(request: pytest.FixtureRequest) -> Update:
    """Every kind of state that an optimizer can have."""
    return UPDATES[request.param]


def test_eager_step_equals_the_quickstarts_loop_to_the_bit() -> None:
    """The loop of the tutorial, written here by hand, ends with the same weights."""
    model = build(0, 0.0, CPU)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for images, labels in _batches():
        loss = nn.CrossEntropyLoss()(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert _same(_weights(_trained(QUICKSTART)), model.state_dict())


@pytest.mark.parametrize("name", ["nesterov", "adamw"])
def test_other_updates_equal_torchs(name: str) -> None:
    """Rate, momentum, decay and smoothing reach torch's optimizer and loss as they are named."""
    model, update = build(0, 0.0, CPU), UPDATES[name]
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    if name == "nesterov":
        optimizer = torch.optim.SGD(model.parameters(), RATE, 0.9, 0, 1e-3, nesterov=True)
    for step, (images, labels) in enumerate(_batches()):
        optimizer.param_groups[0]["lr"] = update.schedule(step)
        loss = nn.CrossEntropyLoss(label_smoothing=update.label_smoothing)(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert _same(_weights(_trained(update)), model.state_dict())


@pytest.mark.parametrize("done", [0, 1, 3])
def test_resumed_steps_equal_uninterrupted_ones(update: Update, done: int) -> None:
    """Another process that loads the state goes on to the same weights, to the bit."""
    first = _step(update)
    _run(first, islice(_batches(), done), 0)
    state = {name: value.clone() for name, value in first.state().items()}
    torch.manual_seed(999)
    resumed = _step(update, seed=1)
    resumed.load(state)
    _run(resumed, islice(_batches(), done, None), done)

    assert _same(resumed.state(), _trained(update).state())


def test_state_names_weights_and_optimizer_tensors() -> None:
    """The checkpoint can be read by a person: which tensor is whose."""
    names = set(_trained(UPDATES["nesterov"]).state())
    parameters = set(build(0, 0.0, CPU).state_dict())

    assert names == {f"model.{name}" for name in parameters} | {
        f"optimizer.{name}.momentum_buffer" for name in parameters
    }


def test_plain_sgd_has_no_state_but_the_weights() -> None:
    """The quickstart's optimizer remembers nothing."""
    assert all(name.startswith("model.") for name in _trained(QUICKSTART).state())


def test_each_batch_is_reported_when_its_weights_are_whole() -> None:
    """The count grows by one, and what it counts has been trained on."""
    step = _step(QUICKSTART)
    seen = []
    for done in step.run(_batches(), 0):
        seen.append(done)
        partial = _step(QUICKSTART)
        _run(partial, islice(_batches(), done), 0)
        assert _same(step.state(), partial.state())

    assert seen == list(range(1, 8))


def test_first_step_tells_the_schedule_where_the_run_stands() -> None:
    """An epoch that is not the first one does not begin at the rate of step 0."""
    asked: list[int] = []

    def rate(step: int) -> float:
        asked.append(step)
        return RATE

    step = _step(Update("sgd", rate))
    asked.clear()
    _run(step, islice(_batches(), 3), 40)

    assert asked == [40, 41, 42]


def test_dropout_depends_on_the_seed_and_the_step_alone() -> None:
    """What was drawn before does not matter; the seed and the place in the run do."""
    update = UPDATES["dropout"]
    expected = _trained(update)
    torch.rand(100)

    assert _same(_trained(update).state(), expected.state())
    assert not _same(_trained(replace(update, seed=6)).state(), expected.state())
    assert not _same(_trained(update, first_step=1).state(), expected.state())


@pytest.mark.parametrize("name", ["sgd", "dropout"])
@pytest.mark.parametrize("horizontal_flip", [False, True])
def test_both_pipelines_train_to_the_same_weights(name: str, horizontal_flip: bool) -> None:
    """The resident road equals the quickstart's to the bit."""
    seen, expected = (
        _trained(UPDATES[name], _epoch(batches, horizontal_flip=horizontal_flip))
        for batches in (_resident(), _reference(one_hot=False))
    )

    assert _same(seen.state(), expected.state())


def test_one_hot_targets_train_to_the_same_weights() -> None:
    """Torch sums that loss in another order, so the weights agree to a millionth."""
    labels, one_hot = (
        _weights(_trained(QUICKSTART, _epoch(_reference(one_hot=one_hot))))
        for one_hot in (False, True)
    )

    assert not _same(labels, _weights(_step(QUICKSTART)))
    for name, value in labels.items():
        torch.testing.assert_close(one_hot[name], value, rtol=0, atol=1e-6)


def test_taken_loss_is_the_sum_over_the_images() -> None:
    """The smaller last batch weighs less; what was taken is not taken again."""
    step = _trained(Update("sgd", constant(0.0)))
    model = build(0, 0.0, CPU)
    losses = [functional.cross_entropy(model(x), y, reduction="sum") for x, y in _batches()]

    assert step.take_loss() == pytest.approx(sum(loss.item() for loss in losses), rel=1e-6)
    assert step.take_loss() == 0


def test_bf16_learns_and_keeps_weights_of_full_precision() -> None:
    """The products are short, the weights are not, and the loss falls."""
    step = _step(UPDATES["nesterov"], precision="bf16")
    losses = []
    for _ in range(4):
        _run(step, _batches(), 0)
        losses.append(step.take_loss())

    assert losses[-1] < 0.9 * losses[0]
    assert {value.dtype for value in step.state().values()} == {torch.float32}
    assert not _same(_trained(QUICKSTART, precision="bf16").state(), _trained(QUICKSTART).state())


def test_model_is_trained_in_training_mode() -> None:
    """An evaluation before it does not switch dropout off."""
    model = build(0, 0.3, CPU).eval()
    step = make_step(model, UPDATES["dropout"], BATCH_SIZE, kind="eager", precision="fp32")
    _run(step, _batches(), 0)

    assert model.training


def _step(update: Update, seed: int = 0, precision: Precision = "fp32") -> Step:
    model = build(seed, update.dropout, CPU)
    return make_step(model, update, BATCH_SIZE, kind="eager", precision=precision)


def _trained(
    update: Update,
    batches: Iterable[Batch] | None = None,
    *,
    first_step: int = 0,
    precision: Precision = "fp32",
) -> Step:
    step = _step(update, precision=precision)
    _run(step, _batches() if batches is None else batches, first_step)
    return step


def _run(step: Step, batches: Iterable[Batch], first_step: int) -> None:
    for _ in step.run(batches, first_step):
        pass


def _arrays() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, 28, 28), np.uint8)
    return images, random.integers(0, 10, IMAGES, np.uint8)


def _resident() -> ResidentBatches:
    return ResidentBatches(Split.on(CPU, *_arrays()), BATCH_SIZE)


def _reference(*, one_hot: bool) -> Batches:
    return loaded(*_arrays(), BATCH_SIZE, device=CPU, one_hot=one_hot)


def _batches() -> Iterable[Batch]:
    return _resident().epoch(in_order(IMAGES))


def _epoch(batches: Batches, *, horizontal_flip: bool = False) -> Iterable[Batch]:
    return batches.epoch(plan_epoch(3, 0, IMAGES, horizontal_flip=horizontal_flip))


def _weights(step: Step) -> State:
    state = step.state().items()
    return {name.removeprefix("model."): value for name, value in state if name[:6] == "model."}


def _same(seen: State, expected: Mapping[str, Tensor]) -> bool:
    return seen.keys() == expected.keys() and all(
        torch.equal(seen[name], expected[name]) for name in expected
    )
