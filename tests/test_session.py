"""A session knows where it stands and makes it durable."""

import json
import time
from pathlib import Path

import pytest
import torch

from job import checkpoint
from job.assemble import Trainee, make_trainee
from job.checkpoint import Checkpoint, RunState
from job.data.source import read
from job.data.spec import DatasetSpec
from job.errors import DivergedError, SettingsError
from job.evaluate import Tally
from job.session import CHECKPOINTS, HISTORY, Session
from job.settings import Settings
from job.train import Position

TALLY = Tally(123.0, torch.eye(10, dtype=torch.int64))


@pytest.fixture
def trainee(small_data: tuple[Path, DatasetSpec], tmp_path: Path) -> Trainee:
    """A fresh run over the small dataset: ten batches of 64 an epoch."""
    folder, spec = small_data
    dataset = read(spec, data_dir=folder, offline=True)
    settings = Settings(epochs=2, learning_rate=0.1, momentum=0.9, output_dir=tmp_path)
    return make_trainee(settings, dataset, torch.device("cpu"))


def at(session: Session, position: Position) -> Session:
    """The session as if training had come to `position`, with some time gone by."""
    session.start_clock()
    time.sleep(0.01)
    session.arrive(position)
    return session


def test_steps_and_images_are_counted_over_all_epochs(trainee: Trainee) -> None:
    """Positions become steps and images, the ragged last batch counted as it is."""
    session = at(trainee.session, Position(2, 10))

    assert (session.steps, session.images_done, session.images_seen) == (30, 640, 1920)
    assert session.epoch_is_over


def test_finished_epoch_is_a_line_of_the_history(trainee: Trainee) -> None:
    """Sums become means over samples, and the next epoch starts from nothing."""
    session = at(trainee.session, Position(0, 10))
    session.epoch_loss = 64.0

    result = session.finish_epoch(TALLY, test_seconds=0.5)

    assert (result.epoch, result.step, result.train_loss) == (1, 10, 0.1)
    assert (result.test_loss, result.test_accuracy, result.test_seconds) == (12.3, 1.0, 0.5)
    assert result.train_seconds >= 0.01
    assert result.images_per_second == pytest.approx(640 / result.train_seconds, rel=1e-3)
    assert (session.position, session.epoch_loss, session.epoch_seconds) == (Position(1, 0), 0, 0)
    assert session.history == [result]


def test_time_with_a_stopped_clock_is_no_training(trainee: Trainee) -> None:
    """Evaluating and saving do not slow the training down on paper."""
    session = at(trainee.session, Position(0, 1))
    session.stop_clock()
    before = session.epoch_seconds
    time.sleep(0.02)
    session.save()

    assert session.epoch_seconds == before


def test_saved_session_resumes_as_it_was(trainee: Trainee) -> None:
    """Everything that the next step and the history depend on is durable."""
    session = at(trainee.session, Position(0, 10))
    session.finish_epoch(TALLY, 0.5)
    at(session, Position(1, 3)).epoch_loss = 1 / 3
    folder = session.save()
    kept = (session.position, session.epoch_loss, session.epoch_seconds, session.history)
    session.position, session.epoch_loss, session.history = Position(0, 0), 0.0, []

    found = checkpoint.latest(session.output_dir / CHECKPOINTS)
    assert found is not None
    session.resume(found)

    assert (session.position, session.epoch_loss, session.epoch_seconds, session.history) == kept
    assert session.durable == folder


@pytest.mark.parametrize("other", [{"weight": [2, 3]}, {}], ids=["another", "none"])
def test_checkpoint_of_another_network_is_refused(
    trainee: Trainee, other: dict[str, list[int]]
) -> None:
    """What is whole and does not fit is no bug: it is told which weight, and the weights stay."""
    tensors = {f"model.{name}": torch.zeros(shape) for name, shape in other.items()}
    before = {name: value.clone() for name, value in trainee.session.step.state().items()}
    state = RunState(epoch=0, batch=1, epoch_loss=0, epoch_seconds=0, history=[], settings={})

    with pytest.raises(SettingsError, match=r"step-1 is of another network: linear.* is not there"):
        trainee.session.resume(Checkpoint(Path("step-1"), 1, state, tensors))

    after = trainee.session.step.state()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_history_file_has_one_line_for_each_epoch_of_the_checkpoint(trainee: Trainee) -> None:
    """A line that a killed attempt wrote beyond its checkpoint goes, a lost one comes back."""
    session = at(trainee.session, Position(0, 10))
    session.finish_epoch(TALLY, 0.5)
    session.save()
    path = session.output_dir / HISTORY
    whole = path.read_text()
    for altered in ("", whole + whole):
        path.write_text(altered)
        found = checkpoint.latest(session.output_dir / CHECKPOINTS)
        assert found is not None
        session.resume(found)
        assert path.read_text() == whole
    assert [json.loads(line)["epoch"] for line in whole.splitlines()] == [1]


def test_old_checkpoints_go_when_a_new_one_is_durable(trainee: Trainee) -> None:
    """As many are kept as the settings say."""
    for batch in range(1, 5):
        at(trainee.session, Position(0, batch)).save()

    root = trainee.session.output_dir / CHECKPOINTS
    assert sorted(path.name for path in root.iterdir()) == ["step-00000003", "step-00000004"]


def test_weight_that_is_not_finite_is_never_saved(trainee: Trainee) -> None:
    """The last good checkpoint stays the newest one, and the error names it."""
    session = at(trainee.session, Position(0, 1))
    good = session.save()
    with torch.no_grad():
        next(trainee.network.parameters())[0, 3] = float("inf")

    with pytest.raises(DivergedError) as caught:
        at(session, Position(0, 2)).save()

    assert caught.value.checkpoint == str(good)
    found = checkpoint.latest(session.output_dir / CHECKPOINTS)
    assert found is not None
    assert found.step == 1


def test_loss_that_is_not_finite_is_told_with_its_epoch(trainee: Trainee) -> None:
    """Training loss and test loss are both looked at."""
    session = at(trainee.session, Position(1, 10))
    with pytest.raises(DivergedError, match=r"test loss .* in epoch 2, step 20"):
        session.finish_epoch(Tally(float("nan"), TALLY.confusion), 0.1)
    session.step.take_loss = lambda: float("inf")  # type: ignore[method-assign]
    with pytest.raises(DivergedError, match=r"training loss .* in epoch 2, step 20"):
        session.collect_loss()


def test_outlook_tells_epoch_rate_and_accuracy(trainee: Trainee) -> None:
    """What is not known yet is left out."""
    session = trainee.session
    assert session.outlook == "epoch 1"

    at(session, Position(0, 10)).epoch_seconds = 2.0
    assert session.outlook == "epoch 1, 320 images/s"

    session.finish_epoch(TALLY, 0.1)
    assert session.outlook == "epoch 2, accuracy 100.00%"


def test_save_is_due_when_the_time_is_over(trainee: Trainee) -> None:
    """The interval counts from the last save."""
    session = at(trainee.session, Position(0, 1))
    time.sleep(0.02)

    assert session.save_is_due(0.01)
    session.save()
    assert not session.save_is_due(10)


def test_mean_loss_counts_the_images_since_the_last_call(trainee: Trainee) -> None:
    """The running loss of the log is that of the last batches alone."""
    session = at(trainee.session, Position(0, 2))
    losses = iter([128.0, 64.0, 0.0])
    session.step.take_loss = lambda: next(losses)  # type: ignore[method-assign]

    assert session.collect_loss() == 1.0
    assert at(session, Position(0, 3)).collect_loss() == 1.0
    assert session.collect_loss() == 0.0
    assert session.epoch_loss == 192.0
