"""Claims about `bench/event_files.py`: what is measured side by side is alike but for the board."""

import json
from pathlib import Path

import event_files
import pytest
from event_files import Seconds

from job.record import EpochRecord
from job.tensorboard import Board


class Noted(Board):
    """Keeps what it is told."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.epochs: list[int] = []

    def note(self, epoch: EpochRecord) -> None:
        """Keep its number."""
        self.epochs.append(epoch.epoch)


def test_both_turns_of_a_pair_do_as_many_steps() -> None:
    """And one of them alone tells the board of an epoch, whichever goes first."""
    board, steps = Noted(), iter(range(1000))
    for number in (2, 3):
        assert all(each.clock > 0 for each in event_files.pair(steps, board, number))

    assert board.epochs == [2, 3]
    assert next(steps) == 4 * event_files.STEPS


def test_ratio_is_of_the_watched_turn_to_the_other() -> None:
    """With the milliseconds of a step that nobody watches, and what the first turn took more."""
    plain = [Seconds(0.2, 0.4), Seconds(0.4, 0.8)]
    watched = [Seconds(0.22, 0.4), Seconds(0.44, 0.8)]
    told = event_files.told(Seconds(0.5, 0.7), list(zip(watched, plain, strict=True)))

    assert told["pairs"] == 2
    assert told["clock"]["ratio"] == pytest.approx([1.1, 1.1, 1.1])
    assert told["clock"]["step_ms"] == pytest.approx(3.0)
    assert told["clock"]["first_turn_extra_ms"] == pytest.approx(200)
    assert told["processor"]["ratio"] == pytest.approx([1, 1, 1])


def test_real_steps_are_measured_beside_real_event_files(
    real_data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of JSON, as `python bench/event_files.py DATA_DIR 2` prints it."""
    monkeypatch.setattr(event_files, "STEPS", 5)
    event_files.main(real_data_dir, 2)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert told["pairs"] == 2
    assert told["clock"]["step_ms"] > 0
    assert "load_before" in told["noise"]
