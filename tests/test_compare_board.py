"""Claims about `job.compare.board`: who is first, what differs, and how far seeds spread."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from job.compare.board import NOT_COMPARED, board
from job.compare.recorded import Run, State
from job.settings import Settings
from job.settings.fields import TRAINING_FIELDS


def run(name: str, accuracy: float | None, state: State = "finished", **settings: Any) -> Run:
    """A run of this accuracy."""
    loss = None if accuracy is None else 1 - accuracy
    return Run(name, Path(name), state, settings=settings, accuracy=accuracy, loss=loss)


def test_best_accuracy_is_first_and_only_finished_runs_have_a_rank() -> None:
    """The others follow, by what they last said."""
    compared = board(
        [
            run("late", 0.99, "running"),
            run("good", 0.8),
            run("lost", None, "failed"),
            run("best", 0.9, "missed gate"),
        ]
    )
    assert [(row.rank, row.run.name) for row in compared.rows] == [
        (1, "best"),
        (2, "good"),
        (None, "late"),
        (None, "lost"),
    ]


def test_only_settings_that_differ_are_shown() -> None:
    """Of a run that does not tell one, nothing is concluded."""
    compared = board(
        [
            run("a", 0.5, seed=1, epochs=3, learning_rate=0.1),
            run("b", 0.6, seed=1, epochs=3, learning_rate=0.2, output_dir="x"),
            run("c", 0.7, output_dir="y"),
        ]
    )
    assert compared.differing == ("learning_rate",)


def test_setting_that_was_swept_is_compared_whatever_it_is() -> None:
    """Runs over several folders of data are not one run under several seeds."""
    runs = [
        run("a", 0.5, seed=1, data_dir="x", output_dir="a"),
        run("b", 0.6, seed=2, data_dir="y", output_dir="b"),
    ]
    assert board(runs).differing == ("seed",)

    swept = board([replace(each, swept=frozenset({"seed", "data_dir"})) for each in runs])
    assert swept.differing == ("seed", "data_dir")
    assert swept.spreads == ()


def test_no_setting_of_the_training_is_left_out() -> None:
    """What is not compared exists, and is nothing that the weights depend on."""
    assert NOT_COMPARED.isdisjoint(TRAINING_FIELDS)
    assert NOT_COMPARED - Settings.model_fields.keys() <= {"tensorboard"}  # of the extra


def test_runs_that_differ_in_the_seed_only_are_one_group() -> None:
    """Mean and sample standard deviation of those that are finished."""
    compared = board(
        [
            run("a", 0.80, seed=1, learning_rate=0.1),
            run("b", 0.84, seed=2, learning_rate=0.1),
            run("c", 0.99, "running", seed=3, learning_rate=0.1),
            run("d", 0.95, seed=1, learning_rate=0.2),
        ]
    )
    (spread,) = compared.spreads

    assert (spread.settings, spread.runs) == ({"learning_rate": 0.1}, 2)
    assert spread.accuracy == pytest.approx(0.82)
    assert spread.accuracy_deviation == pytest.approx(0.0282843, rel=1e-4)
    assert spread.loss_deviation == pytest.approx(0.0282843, rel=1e-4)


def test_same_run_twice_is_no_spread() -> None:
    """Equal seeds give equal weights; their deviation would say nothing."""
    assert board([run("a", 0.8, seed=1), run("b", 0.8, seed=1)]).spreads == ()
