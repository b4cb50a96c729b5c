"""Claims about `job.assemble`: each setting reaches the part that it names."""

from pathlib import Path
from typing import Any

import pytest
import torch

from job.assemble import Trainee, make_trainee
from job.data import source
from job.data.dataset import Dataset
from job.data.reference import LoadedBatches
from job.data.spec import DatasetSpec
from job.data.split import ResidentBatches, in_order, plan_epoch
from job.errors import SettingsError
from job.evaluate import evaluate
from job.model import build
from job.schedule import one_cycle
from job.settings import Settings
from job.step import Step, Update, make_step

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(small_data: tuple[Path, DatasetSpec]) -> Dataset:
    """The small dataset, read as the job reads it."""
    folder, spec = small_data
    return source.read(spec, data_dir=folder, offline=True)


def _trainee(dataset: Dataset, **settings: Any) -> Trainee:
    return make_trainee(Settings(**settings), dataset, CPU)


def _trained(step: Step, batches: Any) -> dict[str, torch.Tensor]:
    plan = plan_epoch(0, 0, batches.images, horizontal_flip=False)
    for _ in step.run(batches.epoch(plan), 0):
        pass
    return step.state()


def test_default_is_the_quickstart(dataset: Dataset) -> None:
    """Batches of 64, a constant rate of 1e-3, the weights of seed 0, on the device named."""
    trainee = _trainee(dataset)
    session = trainee.session

    assert (session.batches.images, session.batches.batch_size, len(session.batches)) == (
        640,
        64,
        10,
    )
    assert {session.schedule(step) for step in (0, 50, 99)} == {1e-3}
    assert session.step.name == "fused"
    for seen, expected in zip(
        trainee.network.parameters(), build(0, 0.0, CPU).parameters(), strict=True
    ):
        assert torch.equal(seen, expected)


@pytest.mark.parametrize(
    ("settings", "update"),
    [
        (
            {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3, "learning_rate": 0.05},
            Update("sgd", lambda _: 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        ),
        (
            {"recipe": "accurate", "epochs": 2, "batch_size": 64, "seed": 3},
            Update(
                "adamw",
                one_cycle(2e-3, 20),
                weight_decay=0.05,
                label_smoothing=0.05,
                dropout=0.2,
                seed=3,
            ),
        ),
    ],
    ids=["nesterov", "accurate"],
)
def test_every_hyperparameter_reaches_the_update(
    dataset: Dataset, settings: dict[str, Any], update: Update
) -> None:
    """An epoch under the settings equals one under an update that was written by hand."""
    trainee = _trainee(dataset, **settings)
    model = build(update.seed, update.dropout, CPU)
    by_hand = make_step(model, update, 64, kind="auto", precision="fp32")
    seen = _trained(trainee.session.step, trainee.session.batches)
    expected = _trained(by_hand, trainee.session.batches)

    assert seen.keys() == expected.keys()
    assert all(torch.equal(seen[name], expected[name]) for name in expected)


def test_one_cycle_spans_the_whole_run(dataset: Dataset) -> None:
    """It ends with the last step of the last epoch, the smaller last batch counted."""
    session = _trainee(dataset, schedule="one-cycle", epochs=3, batch_size=100).session
    expected = one_cycle(1e-3, 3 * 7)

    assert [session.schedule(step) for step in range(21)] == list(map(expected, range(21)))


@pytest.mark.parametrize(
    ("settings", "kind", "test_batch"),
    [({}, ResidentBatches, 200), ({"pipeline": "dataloader"}, LoadedBatches, 64)],
    ids=["resident", "dataloader"],
)
def test_pipeline_is_the_one_that_was_asked_for(
    dataset: Dataset, settings: dict[str, Any], kind: type[object], test_batch: int
) -> None:
    """The quickstart's road judges in its own batches, the resident one in large ones."""
    trainee = _trainee(dataset, **settings)
    images, _ = next(iter(trainee.test.epoch(in_order(trainee.test.images))))

    assert isinstance(trainee.session.batches, kind)
    assert isinstance(trainee.test, kind)
    assert (trainee.test.images, len(images)) == (200, test_batch)


def test_both_pipelines_judge_alike(dataset: Dataset) -> None:
    """The same weights get the same confusion, with one-hot targets too."""
    roads: tuple[dict[str, Any], ...] = (
        {},
        {"pipeline": "dataloader"},
        {"pipeline": "dataloader", "one_hot_targets": True},
    )
    tallies = []
    for settings in roads:
        trainee = _trainee(dataset, **settings)
        tallies.append(evaluate(trainee.network, trainee.test.epoch(in_order(200)), 10))

    for tally in tallies[1:]:
        assert torch.equal(tally.confusion, tallies[0].confusion)
        assert tally.loss == pytest.approx(tallies[0].loss, rel=1e-6)


@pytest.mark.parametrize("one_hot", [False, True])
def test_one_hot_targets_are_given_when_asked_for(dataset: Dataset, one_hot: bool) -> None:
    """Targets are (B, 10) with them and (B,) without."""
    trainee = _trainee(dataset, pipeline="dataloader", one_hot_targets=one_hot)
    for batches in (trainee.session.batches, trainee.test):
        _, targets = next(iter(batches.epoch(in_order(batches.images))))
        assert targets.shape == ((64, 10) if one_hot else (64,))


def test_session_keeps_what_a_checkpoint_needs(dataset: Dataset, tmp_path: Path) -> None:
    """Where it saves, how much it keeps, and the settings that a resumed run must share."""
    settings = Settings(output_dir=tmp_path, keep_checkpoints=5, epochs=4)
    session = make_trainee(settings, dataset, CPU).session

    assert (session.output_dir, session.keep_checkpoints) == (tmp_path, 5)
    assert session.settings == settings.training_values()
    assert session.steps == 0


def test_precision_reaches_the_step(dataset: Dataset) -> None:
    """An arithmetic that the device does not have is refused before training."""
    with pytest.raises(SettingsError, match="JOB_PRECISION=tf32"):
        _trainee(dataset, precision="tf32")
