"""The simulation of failures agrees with the formulae where these hold, and can be repeated."""

import json
import math
import re
from pathlib import Path
from typing import Any, Final

import failures_plot
import numpy as np
import pytest
from failures import (
    GPU_HOURS,
    HOUR,
    LARGE,
    THIS_JOB,
    Habit,
    daly,
    expected_goodput,
    simulate,
    simulated_goodput,
    wall_time,
    young,
)

from job.report.theme import PALETTE

RESULTS: Final = Path(__file__).parents[1] / "bench" / "results"
# Of the mean of a thousand runs of a month, of which each has a hundred failures or more.
TOLERANCE: Final = 0.003
SLOW: Final = Habit("slow", saving=600.0, restart=60.0)


def numbers(rows: list[dict[str, Any]]) -> list[float]:
    """All that is no word."""
    return [value for row in rows for value in row.values() if not isinstance(value, str)]


def random() -> np.random.Generator:
    """The same numbers in every test."""
    return np.random.default_rng(7)


@pytest.mark.parametrize("habit", [THIS_JOB, LARGE, SLOW], ids=lambda habit: habit.name)
@pytest.mark.parametrize("mtbf", [0.5 * HOUR, 3 * HOUR, 12 * HOUR])
@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
def test_simulated_goodput_is_that_of_dalys_model(habit: Habit, mtbf: float, factor: float) -> None:
    """At the optimum and on both sides of it, with failures while it restarts, too."""
    interval = factor * daly(habit.saving, mtbf)
    simulated = simulated_goodput(habit, mtbf, interval, random()).mean()

    assert simulated == pytest.approx(expected_goodput(habit, mtbf, interval), abs=TOLERANCE)


@pytest.mark.parametrize("habit", [LARGE, SLOW], ids=lambda habit: habit.name)
def test_no_interval_does_better_than_dalys(habit: Habit) -> None:
    """While saving takes less than half of the time between failures."""
    mtbf = 3 * HOUR
    best = daly(habit.saving, mtbf)
    at_best = simulated_goodput(habit, mtbf, best, random()).mean()
    others = [
        simulated_goodput(habit, mtbf, factor * best, random()).mean()
        for factor in np.geomspace(0.1, 10, 21)
    ]

    assert at_best > max(others) - TOLERANCE
    assert at_best > others[0] + 10 * TOLERANCE
    assert at_best > others[-1] + 10 * TOLERANCE


def test_first_order_is_enough_while_saving_is_short_and_not_when_it_is_long() -> None:
    """Young's and Daly's intervals part where a checkpoint takes as long as half of a life."""
    assert young(LARGE.saving, 3 * HOUR) == pytest.approx(daly(LARGE.saving, 3 * HOUR), rel=0.02)
    assert daly(SLOW.saving, 1200) == pytest.approx(
        math.sqrt(2 * 600 * 1200) * (1 + 0.5 / 3 + 0.25 / 9) - 600
    )
    of_daly, of_young = (
        expected_goodput(SLOW, 1200, rule(SLOW.saving, 1200)) for rule in (daly, young)
    )
    assert of_daly > of_young + TOLERANCE


def test_interval_is_the_time_between_failures_where_saving_takes_longer_than_two() -> None:
    """Daly's series ends there."""
    assert daly(saving=201.0, mtbf=100.0) == 100.0


def test_without_failures_only_saving_costs() -> None:
    """Nothing is done twice and nothing restarted."""
    goodput = simulated_goodput(LARGE, math.inf, 90.0, random(), runs=3)

    assert goodput.tolist() == pytest.approx([0.9] * 3)


def test_run_that_fails_before_its_first_checkpoint_begins_anew() -> None:
    """One segment: the time of all lives that were too short, and the one that was not."""
    lives = random().exponential(100.0, 50).tolist()
    last = next(number for number, life in enumerate(lives) if life - 5 * (number > 0) >= 210)
    wanted = sum(lives[:last]) + 5 * (last > 0) + 210

    found = wall_time(Habit("", saving=10.0, restart=5.0), 100.0, 200.0, random(), (1, 1))

    assert last > 0
    assert found.tolist() == pytest.approx([wanted])


def test_rates_are_those_that_were_reported() -> None:
    """Llama 3's 16,384 GPUs failed every three hours; the study's fit has 1.8 hours for as many."""
    assert GPU_HOURS["Llama 3"] / 16_384 == pytest.approx(3.1, abs=0.05)
    assert GPU_HOURS["RSC"] / 16_384 == pytest.approx(1.8)


def test_committed_numbers_are_those_of_their_seed() -> None:
    """Nobody has mended them by hand."""
    kept = json.loads((RESULTS / "failures.json").read_text())
    anew = json.loads(json.dumps(simulate(kept["seed"])))

    for part in ("rows", "curves"):
        assert numbers(kept[part]) == pytest.approx(numbers(anew[part]), rel=TOLERANCE)
    assert {**kept, "rows": [], "curves": []} == {**anew, "rows": [], "curves": []}


def test_picture_shows_each_size_in_colours_for_light_and_dark() -> None:
    """Its text is text, no colour is fixed, and the same numbers give the same picture."""
    points = json.loads((RESULTS / "failures.json").read_text())["curves"]
    picture = failures_plot.svg(points)
    drawing, sheet = picture.split("<style>:root")

    assert {"1,024 GPUs", "4,096 GPUs", "16,384 GPUs", "20 min"} <= set(
        re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    )
    assert set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawing)) <= {"#000000"}
    assert all(PALETTE[role].dark in sheet for role in re.findall(r"var\(--(\w+)\)", drawing))
    assert failures_plot.svg(points) == picture
