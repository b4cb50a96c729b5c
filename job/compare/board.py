"""The leaderboard as a value: ranks, the settings that differ, the spread over seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from job.compare.recorded import Run, Setting

# Where a run was, how it spoke and how it was kept: nothing that its result depends on, unless
# somebody has swept it, such as the folder of the data.
NOT_COMPARED: Final = frozenset(
    {
        "checkpoint_every_seconds",
        "data_dir",
        "data_offline",
        "heartbeat_file",
        "keep_checkpoints",
        "lease_seconds",
        "log_format",
        "log_level",
        "master_address",
        "master_port",
        "max_attempts_without_progress",
        "output_dir",
        "progress",
        "resume",
        "stall_seconds",
        "stop_file",
        "sweep",
        "sweep_index",
        "tensorboard",
    }
)
SEED: Final = "seed"


@dataclass(frozen=True)
class Row:
    """A run and its place; only finished runs have one."""

    rank: int | None
    run: Run


@dataclass(frozen=True)
class Spread:
    """Runs that differ in their seed only: accuracies as mean and sample standard deviation."""

    settings: dict[str, Setting]
    runs: int
    accuracy: float
    accuracy_deviation: float
    loss: float
    loss_deviation: float


@dataclass(frozen=True)
class Board:
    """The rows from the best run to the worst, the unfinished ones behind them."""

    rows: tuple[Row, ...]
    differing: tuple[str, ...]
    spreads: tuple[Spread, ...]


def board(runs: Sequence[Run]) -> Board:
    """Rank the runs by accuracy, then by loss, then by name."""
    done = sorted((run for run in runs if run.is_done), key=_merit)
    others = sorted((run for run in runs if not run.is_done), key=_merit)
    rows = [*(Row(rank, run) for rank, run in enumerate(done, 1)), *(Row(None, r) for r in others)]
    differing = _differing(runs)
    return Board(tuple(rows), differing, tuple(_spreads(done, differing)))


def _merit(run: Run) -> tuple[float, float, str]:
    accuracy = run.accuracy if run.accuracy is not None else -1.0
    return -accuracy, run.loss if run.loss is not None else float("inf"), run.name


def _differing(runs: Sequence[Run]) -> tuple[str, ...]:
    """Settings that have several values among the runs that tell them, in the runs' order."""
    left_out = NOT_COMPARED.difference(*(run.swept for run in runs))
    values: dict[str, set[Setting]] = {}
    for run in runs:
        for name, value in run.settings.items():
            values.setdefault(name, set()).add(value)
    return tuple(name for name, seen in values.items() if len(seen) > 1 and name not in left_out)


def _spreads(done: Iterable[Run], differing: Sequence[str]) -> Iterable[Spread]:
    """Best mean first."""
    names = [name for name in differing if name != SEED]
    groups: dict[tuple[Setting, ...], list[Run]] = {}
    for run in done:
        groups.setdefault(tuple(run.settings.get(name) for name in names), []).append(run)
    several = [
        (dict(zip(names, values, strict=True)), group)
        for values, group in groups.items()
        if len({run.settings.get(SEED) for run in group}) > 1
    ]
    return sorted((_spread(*each) for each in several), key=lambda spread: -spread.accuracy)


def _spread(settings: dict[str, Setting], runs: Sequence[Run]) -> Spread:
    accuracies = [run.accuracy for run in runs if run.accuracy is not None]
    losses = [run.loss for run in runs if run.loss is not None]
    return Spread(
        settings=settings,
        runs=len(runs),
        accuracy=statistics.fmean(accuracies),
        accuracy_deviation=statistics.stdev(accuracies),
        loss=statistics.fmean(losses),
        loss_deviation=statistics.stdev(losses),
    )
