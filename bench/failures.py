"""What failures cost a run on 8 to 16,384 GPUs, simulated, and how often it had better save.

    python bench/failures.py [seed]     writes bench/results/failures.json, its picture, docs/scaling.md

One GPU that fails stops all of them, so that a run of N fails N times as often as one GPU. Failures
come at any time with the same chance, during a restart, too. Times are seconds.

Young, CACM 17 (1974) 530; Daly, Future Generation Computer Systems 22 (2006) 303.
"""

import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import failures_plot  # noqa: E402  # the path above comes first
import scaling  # noqa: E402

from job import files  # noqa: E402
from job.settings import Settings  # noqa: E402

RESULTS: Final = ROOT / "bench" / "results"
HOUR: Final = 3600.0
DEFAULT_INTERVAL: Final = float(Settings.model_fields["checkpoint_every_seconds"].default)
GPUS: Final = (8, 64, 512, 1024, 4096, 16_384)
# GPU hours for one failure. Llama 3 405B: 419 unexpected interruptions of 16,384 GPUs in 54 days.
# RSC (arXiv 2410.21680): its fit of all sizes of jobs, 1.8 hours at 16,384 GPUs.
GPU_HOURS: Final = {"Llama 3": 54 * 24 * 16_384 / 419, "RSC": 1.8 * 16_384}
RUNS: Final = 1000
WORK: Final = 30 * 24 * HOUR
CURVES: Final = (1024, 4096, 16_384)
POINTS: Final = 15

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Habit:
    """What a checkpoint stops the training for, and what a failure does besides what it undoes."""

    name: str
    saving: float
    restart: float


# This job took 79 ms to save its 2.7 MB on a busy local disk, and 6 s to its first step; both are
# rounded up generously. The large one's are assumptions: seconds to copy the state to the hosts'
# memory, minutes to find the failure, replace the node and load.
THIS_JOB: Final = Habit("this job", saving=0.1, restart=15.0)
LARGE: Final = Habit("a large model", saving=10.0, restart=300.0)


def young(saving: float, mtbf: float) -> float:
    """Young's interval of work between two checkpoints, in first order."""
    return math.sqrt(2 * saving * mtbf)


def daly(saving: float, mtbf: float) -> float:
    """Daly's interval, in higher order; all that is left to do where saving takes too long."""
    if saving >= 2 * mtbf:
        return mtbf
    part = saving / (2 * mtbf)
    return young(saving, mtbf) * (1 + math.sqrt(part) / 3 + part / 9) - saving


def expected_goodput(habit: Habit, mtbf: float, interval: float) -> float:
    """Share of the time that Daly's complete model leaves for work that is not done again."""
    again = math.expm1((interval + habit.saving) / mtbf)
    return interval / (mtbf * math.exp(habit.restart / mtbf) * again)


def simulated_goodput(
    habit: Habit, mtbf: float, interval: float, random: np.random.Generator, *, runs: int = RUNS
) -> Seconds:
    """The same share in each of `runs` (runs,) simulated runs of about `WORK`."""
    segments = max(round(WORK / interval), 1)
    return segments * interval / wall_time(habit, mtbf, interval, random, (segments, runs))


def wall_time(
    habit: Habit,
    mtbf: float,
    interval: float,
    random: np.random.Generator,
    shape: tuple[int, int],
) -> Seconds:
    """How long (runs,) it takes to do and save `segments` intervals of work; `shape` has both.

    All runs live through their n-th life at once: until a failure, or to the end of the work.
    """
    segments, runs = shape
    cycle = interval + habit.saving
    clock, done, ready = np.zeros(runs), np.zeros(runs), 0.0
    while (running := done < segments).any():
        life = random.exponential(mtbf, runs)
        saved = np.floor(np.maximum(life - ready, 0) / cycle)
        left = segments - done
        clock += running * np.where(saved >= left, ready + left * cycle, life)
        done += np.minimum(saved, left)
        ready = habit.restart
    return clock


def rows(random: np.random.Generator) -> list[dict[str, Any]]:
    """The table: for each number of GPUs, rate and habit what the intervals give."""
    return [
        {"gpus": gpus, "rate": rate, "habit": habit.name, **_row(habit, mtbf, random)}
        for habit in (THIS_JOB, LARGE)
        for rate, hours in GPU_HOURS.items()
        for gpus in GPUS
        for mtbf in [hours * HOUR / gpus]
    ]


def _row(habit: Habit, mtbf: float, random: np.random.Generator) -> dict[str, float]:
    best = daly(habit.saving, mtbf)
    intervals = {"daly": best, "default": DEFAULT_INTERVAL, "hour": HOUR}
    found = {
        f"goodput_{name}": float(simulated_goodput(habit, mtbf, interval, random).mean())
        for name, interval in intervals.items()
    }
    told = {"young": young(habit.saving, mtbf), "daly": best}
    return {"mtbf": mtbf, **told, **found, "formula": expected_goodput(habit, mtbf, best)}


def curves(random: np.random.Generator) -> list[dict[str, Any]]:
    """Goodput over the interval for the large model: simulated points, and the formula's."""
    found = []
    for gpus in CURVES:
        mtbf = GPU_HOURS["Llama 3"] * HOUR / gpus
        for interval in np.geomspace(60, 4 * HOUR, POINTS).tolist():
            simulated = simulated_goodput(LARGE, mtbf, interval, random).mean()
            formula = expected_goodput(LARGE, mtbf, interval)
            point = {"interval": interval, "simulated": float(simulated), "formula": formula}
            found.append({"gpus": gpus, "daly": daly(LARGE.saving, mtbf), **point})
    return found


def simulate(seed: int) -> dict[str, Any]:
    """All of bench/results/failures.json."""
    random = np.random.default_rng(seed)
    facts = {"seed": seed, "runs": RUNS, "work": WORK, "gpu_hours": GPU_HOURS}
    habits = [asdict(habit) for habit in (THIS_JOB, LARGE)]
    return {**facts, "habits": habits, "rows": rows(random), "curves": curves(random)}


def main(seed: int) -> None:
    """Simulate, then write numbers, picture and page."""
    found = simulate(seed)
    files.make_folder(RESULTS)
    files.write_json(RESULTS / "failures.json", found)
    files.write_text(RESULTS / "failures.svg", failures_plot.svg(found["curves"]))
    scaling.publish()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
