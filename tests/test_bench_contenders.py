"""A contender's clock runs while it works, and only then."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import contenders
import pytest
from lineup import PARTS, TRAINING
from rivals import Epoch

from job.data import source
from job.data.dataset import Dataset
from job.data.spec import DatasetSpec

PAUSE_SECONDS: Final = 0.5


@pytest.fixture
def dataset(small_data: tuple[Path, DatasetSpec]) -> Dataset:
    """The small dataset: ten steps an epoch."""
    folder, spec = small_data
    return source.read(spec, data_dir=folder, offline=True)


def test_contenders_are_those_of_the_lineup() -> None:
    """Who can be measured has a meaning, and who has one can be measured."""
    assert contenders.CONTENDERS.keys() == TRAINING.keys() | PARTS.keys()


def test_first_epoch_only_warms_up(dataset: Dataset) -> None:
    """What is compiled or allocated once is no part of an epoch."""

    def start(_dataset: Dataset) -> Epoch:
        def epoch(number: int) -> float:
            time.sleep(PAUSE_SECONDS if number == 0 else 0)
            return 0.5

        return epoch

    told = contenders.second_epoch(start, dataset)

    assert told["seconds"] < PAUSE_SECONDS
    assert told["loss"] == 0.5


def test_every_step_of_the_job_has_the_same_loss(dataset: Dataset) -> None:
    """`auto` and `eager` are the same mathematics; bf16 is so within its precision."""
    losses = {
        name: contenders.CONTENDERS[name](dataset)["loss"]
        for name in ("job", "job-eager", "job-bf16")
    }

    assert losses["job"] == pytest.approx(losses["job-eager"], rel=1e-5)
    assert losses["job-bf16"] == pytest.approx(losses["job-eager"], rel=1e-2)


def test_clock_stands_still_while_the_test_set_is_looked_at(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to an accuracy is told in seconds of training."""
    accuracies = iter([0.1, 0.9])

    def look(_trainee: object) -> float:
        time.sleep(PAUSE_SECONDS)
        return next(accuracies)

    monkeypatch.setattr(contenders, "_accuracy", look)
    started = time.perf_counter()
    told = contenders._road(dataset, 0, wanted=0.71)

    assert told["steps"] == 100
    assert time.perf_counter() - started - told["seconds"] > 2 * PAUSE_SECONDS


def test_way_to_an_accuracy_is_a_mean_over_seeds(dataset: Dataset) -> None:
    """One seed may be lucky."""
    told = contenders.to_71(dataset, wanted=0.2)

    assert len(told["steps"]) == len(contenders.SEEDS)
    assert {steps % contenders.LOOKED_AFTER_STEPS for steps in told["steps"]} == {0}
    assert told["seconds"] > 0


def test_accuracy_that_is_not_reached_is_no_measurement(dataset: Dataset) -> None:
    """A time for what was not done would be a lie."""
    with pytest.raises(SystemExit, match=r"seed 0: no accuracy of 1\.1"):
        contenders.to_71(dataset, wanted=1.1)


def test_evaluation_has_its_products_beside_it(dataset: Dataset) -> None:
    """Its roofline is the faster of two libraries, measured in turns with it."""
    told = contenders.evaluation(dataset)

    assert told["products_seconds"] == min(told["mm_seconds"], told["job_calls_seconds"])
    assert told["seconds"] > 0


def test_turns_leave_out_the_first() -> None:
    """It warms up; each of the others is timed."""
    done = []
    works: dict[str, Callable[[], object]] = {
        "a": lambda: done.append("a"),
        "b": lambda: done.append("b"),
    }
    times = contenders._in_turns(works)

    assert "".join(done) == "ab" * (contenders.TURNS + 1)
    assert {len(seconds) for seconds in times.values()} == {contenders.TURNS}


def test_program_prints_one_line_of_json(real_data_dir: Path) -> None:
    """Who compares starts it so."""
    script = Path(contenders.__file__)
    command = [sys.executable, str(script), "evaluation", str(real_data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["seconds"] > 0
