"""What the loop leaves open is decided rightly: logging, evaluating, saving, stopping."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
import torch
from torch import Tensor

from job import checkpoint
from job.activity import Activity
from job.assemble import Trainee, make_trainee
from job.data.source import read
from job.data.spec import DatasetSpec
from job.data.split import in_order, plan_epoch
from job.errors import InterruptedRunError
from job.evaluate import Tally, evaluate
from job.session import CHECKPOINTS
from job.settings import Settings
from job.stop import StopFlag
from job.supervise import done_by_main, supervise, watched
from job.train import train
from job.world import ALONE, World

NEVER = 1e9
Run = Callable[[Path, StopFlag, float], Trainee]


class StopAtLook(StopFlag):
    """A stop that is asked for at the n-th time that somebody looks."""

    def __init__(self, look: int) -> None:
        """Count down from `look`."""
        super().__init__()
        self.looks_left = look

    @property
    def reason(self) -> str | None:
        """None until the looks are used up."""
        self.looks_left -= 1
        if self.looks_left <= 0:
            self.request("test")
        return super().reason


def settings_for(folder: Path) -> Settings:
    """Three epochs with everything that has a state: momentum, dropout, flips, a schedule."""
    return Settings(
        epochs=3,
        learning_rate=0.05,
        momentum=0.9,
        nesterov=True,
        dropout=0.3,
        horizontal_flip=True,
        schedule="one-cycle",
        output_dir=folder,
    )


@pytest.fixture
def attempt(small_data: tuple[Path, DatasetSpec]) -> Run:
    """One attempt at a run of thirty steps: resume from what is there, train until stopped."""
    folder, spec = small_data
    dataset = read(spec, data_dir=folder, offline=True)

    def start(output_dir: Path, stop: StopFlag, save_every_seconds: float) -> Trainee:
        settings = settings_for(output_dir)
        trainee = make_trainee(settings, dataset, torch.device("cpu"))
        found = checkpoint.latest(output_dir / CHECKPOINTS)
        if found is not None:
            trainee.session.resume(found)
        for _ in follow(trainee, settings, stop, save_every_seconds):
            pass
        return trainee

    return start


def follow(
    trainee: Trainee, settings: Settings, stop: StopFlag, save_every_seconds: float
) -> Iterator[Tally | None]:
    """Supervise the rest of a run, with an evaluation in batches that can be stopped."""
    session, test = trainee.session, trainee.test

    def judge() -> Tally:
        batches = test.epoch(in_order(test.images))
        return evaluate(trainee.network, watched(batches, stop, session.world, Activity(0.0)), 10)

    def plan(epoch: int) -> object:
        return plan_epoch(settings.seed, epoch, 640, horizontal_flip=True)

    positions = train(session.step, session.batches, plan, settings.epochs, session.position)  # type: ignore[arg-type]
    return supervise(
        session, positions, evaluation=judge, stop=stop, save_every_seconds=save_every_seconds
    )


def weights_of(trainee: Trainee) -> dict[str, Tensor]:
    """The network's tensors by name."""
    return dict(trainee.network.state_dict())


def results_of(trainee: Trainee) -> list[dict[str, object]]:
    """The history without its times, which no two runs share."""
    timed = {"train_seconds", "images_per_second", "test_seconds"}
    return [result.model_dump(exclude=timed) for result in trainee.session.history]


def until_finished(attempt: Run, folder: Path, looks: Iterator[int]) -> tuple[Trainee, int]:
    """Interrupt and resume a run until it gets through; return it and the interruptions."""
    for interruptions, look in enumerate(looks):
        try:
            return attempt(folder, StopAtLook(look), NEVER), interruptions
        except InterruptedRunError:
            continue
    raise AssertionError("never finished")


@pytest.mark.parametrize("seed", range(5))
def test_resumed_run_equals_uninterrupted_run(attempt: Run, tmp_path: Path, seed: int) -> None:
    """After any interruptions, weights and results are bit for bit those of a run without."""
    choose = random.Random(seed)
    expected = attempt(tmp_path / "whole", StopFlag(), NEVER)

    looks = iter(lambda: choose.randint(1, 20), None)
    resumed, interruptions = until_finished(attempt, tmp_path / "broken", looks)

    assert interruptions > 0
    assert results_of(resumed) == results_of(expected)
    for name, value in weights_of(expected).items():
        assert torch.equal(weights_of(resumed)[name], value), name


def test_stop_names_its_reason_and_the_durable_checkpoint(attempt: Run, tmp_path: Path) -> None:
    """Whoever reads the log knows why it ended and what to go on from."""
    with pytest.raises(InterruptedRunError, match="stopped by test") as caught:
        attempt(tmp_path, StopAtLook(5), NEVER)

    found = checkpoint.latest(tmp_path / CHECKPOINTS)
    assert found is not None
    assert caught.value.checkpoint == str(found.folder)


def test_every_single_look_can_be_the_last(attempt: Run, tmp_path: Path) -> None:
    """A stop at each point where one can be noticed, evaluation included, loses nothing."""
    expected = attempt(tmp_path / "whole", StopFlag(), NEVER)

    # The first look of an attempt is after its first step, or in the evaluation that was left.
    resumed, interruptions = until_finished(attempt, tmp_path / "broken", iter([1] * 40 + [1000]))

    assert interruptions >= 30
    assert results_of(resumed) == results_of(expected)


def test_checkpoints_are_saved_when_due(attempt: Run, tmp_path: Path) -> None:
    """With no time allowed to be lost, each step is durable; otherwise each epoch is."""
    with structlog.testing.capture_logs() as often:
        attempt(tmp_path / "often", StopFlag(), 0.0)
    with structlog.testing.capture_logs() as seldom:
        attempt(tmp_path / "seldom", StopFlag(), NEVER)

    assert len([event for event in often if event["event"] == "checkpoint"]) == 27
    assert [event["event"] for event in seldom] == ["epoch"] * 3


def test_saving_often_changes_no_weight(attempt: Run, tmp_path: Path) -> None:
    """When checkpoints are made is no part of the result."""
    often, seldom = attempt(tmp_path / "a", StopFlag(), 0.0), attempt(tmp_path / "b", StopFlag(), 1)

    assert results_of(often) == results_of(seldom)
    assert all(
        torch.equal(weights_of(often)[name], value) for name, value in weights_of(seldom).items()
    )


def test_running_loss_is_logged_every_hundred_batches(
    small_data: tuple[Path, DatasetSpec], tmp_path: Path
) -> None:
    """As the quickstart prints it, as the mean of the batches since the last line."""
    folder, spec = small_data
    dataset = read(spec, data_dir=folder, offline=True)
    settings = Settings(epochs=1, batch_size=2, output_dir=tmp_path)
    trainee = make_trainee(settings, dataset, torch.device("cpu"))

    with structlog.testing.capture_logs() as events:
        list(follow(trainee, settings, StopFlag(), NEVER))

    losses = [event for event in events if event["event"] == "loss"]
    assert [event["images"] for event in losses] == [200, 400, 600]
    assert all(1.5 < event["loss"] < 2.5 for event in losses)


def test_batch_that_is_evaluated_is_progress() -> None:
    """A long evaluation is no stall, and leaves the step where it is."""
    activity = Activity(300.0)
    activity.advance(42)
    activity.moved_at -= 1000.0
    batch = torch.zeros(1), torch.zeros(1)

    assert list(watched([batch], StopFlag(), ALONE, activity)) == [batch]
    assert (activity.step, activity.idle_seconds < 500) == (42, True)


class Told(World):
    """A world of two ranks in which this one hears the answer of both."""

    def __init__(self, rank: int, *, answer: bool) -> None:
        """Be that rank."""
        super().__init__(replace(ALONE.placement, rank=rank, size=2))
        self._answer = answer

    def any(self, flag: bool) -> bool:
        """The answer, whatever this rank says."""
        return flag or self._answer


@pytest.mark.parametrize("rank", [0, 1])
def test_stop_in_what_rank_0_does_ends_all_ranks_alike(rank: int) -> None:
    """A rank that left with 0 would say that the run is finished."""

    def deliver() -> str:
        raise InterruptedRunError("stopped by SIGTERM")

    with pytest.raises(InterruptedRunError, match="stopped by"):
        done_by_main(deliver, StopFlag(), Told(rank, answer=True))


def test_what_rank_0_did_is_rank_0s_alone() -> None:
    """The others wait for it, and have nothing."""
    done = [done_by_main(lambda: "done", StopFlag(), Told(rank, answer=False)) for rank in (0, 1)]

    assert done == ["done", None]
