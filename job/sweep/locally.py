"""Runs the points of a sweep on this machine, one after another, each a process of its own."""

import contextlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from job import compare, files, launch, logs, progress, termination
from job.errors import DataError, ExitCode, InterruptedRunError
from job.settings import Settings
from job.stop import StopFlag
from job.sweep.chosen import Plan
from job.sweep.listing import is_finished

# What a child prints lies here while a bar is drawn.
LOG: Final = "log.txt"
# How often the history of the run that is under way is read for the bar.
LOOK_SECONDS: Final = 1.0
# Endings that every other point would have, too, on this machine and under these settings.
SHARED_ENDINGS: Final = frozenset(
    {ExitCode.USAGE, ExitCode.DATA, ExitCode.UNFIT_NODE, ExitCode.SETTINGS}
)

log = structlog.get_logger()


@dataclass
class Tour:
    """A sweep under way: what is done, and the first failure."""

    plan: Plan
    stop: StopFlag
    is_drawn: bool
    epochs_done: int = 0
    failures: list[launch.Outcome] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Of all points together."""
        return sum(run.epochs for run in self.plan.runs)

    def unfinished(self) -> list[int]:
        """The points that are to be run, now."""
        return [index for index, run in enumerate(self.plan.runs) if not is_finished(run)]


def run_all(plan: Plan, settings: Settings, stop: StopFlag) -> ExitCode:
    """Run what is not finished, then show and write the comparison into the output folder.

    Returns 0 if all are finished, else the code of the first that failed. A failed point stops the
    others only where they would fail, too. Raises `InterruptedRunError` after a stop; the same call
    goes on.
    """
    drawn = progress.is_wanted(settings.progress, settings.log_format)
    tour = Tour(plan, stop, drawn)
    left = tour.unfinished()
    log.info("sweep", points=len(plan.points), finished=len(plan.points) - len(left))
    tour.epochs_done = tour.epochs - sum(plan.runs[index].epochs for index in left)
    with progress.overall(tour.epochs, tour.epochs_done, drawn=drawn) as show:
        for index in left:
            if stop.reason is not None or _is_hopeless(tour):
                break
            _run_point(tour, index, show)
    _conclude(settings)
    return _ending(tour)


def _run_point(tour: Tour, index: int, show: progress.Show) -> None:
    point, run = tour.plan.points[index], tour.plan.runs[index]
    words = f"point {index} of {len(tour.plan.points)}: {point.name}"
    log.info("point", index=index, folder=str(run.output_dir))
    look = progress.seldom(partial(_look, tour, run, words, show), LOOK_SECONDS)
    command = launch.this_program("--sweep-index", str(index), "--progress", "off")
    outcome = launch.run_alone(command, tour.stop, log=_log_of(tour, run), watch=look)
    if outcome.code == ExitCode.FINISHED:
        tour.epochs_done += run.epochs
        return
    tour.failures.append(outcome)
    told = {"reason": outcome.reason} if outcome.reason else {}
    log.warning("point ended", index=index, exit_code=int(outcome.code), **told)


def _look(tour: Tour, run: Settings, words: str, show: progress.Show) -> None:
    show(tour.epochs_done + min(compare.epochs_done(run.output_dir), run.epochs), words)


def _log_of(tour: Tour, run: Settings) -> Path | None:
    if not tour.is_drawn:
        return None
    files.make_folder(run.output_dir)
    return run.output_dir / LOG


def _is_hopeless(tour: Tour) -> bool:
    return any(outcome.code in SHARED_ENDINGS for outcome in tour.failures)


def _conclude(settings: Settings) -> None:
    """Show the leaderboard of what there is, and write it beside the runs."""
    folder = settings.output_dir
    with contextlib.suppress(DataError):  # not one run has begun
        compared = compare.board(compare.find_runs([folder]))
        compare.write(compared, csv=folder / compare.TABLE, html=folder / compare.PAGE)
        logs.answer(compare.leaderboard(compared, settings.log_format))


def _ending(tour: Tour) -> ExitCode:
    left = tour.unfinished()
    if not left:
        return ExitCode.FINISHED
    if tour.stop.reason is not None:
        raise InterruptedRunError(
            f"stopped by {tour.stop.reason}, {len(left)} of {len(tour.plan.points)} points left",
            fix="run the same command to go on",
        )
    first = tour.failures[0]
    termination.say(first.last_word)
    return first.code
