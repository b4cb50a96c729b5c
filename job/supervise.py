"""Decides what the training loop leaves open: when to log, evaluate, save and stop."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import structlog

from job.activity import Activity
from job.data.split import Batch
from job.errors import InterruptedRunError
from job.evaluate import Tally
from job.session import Session
from job.stop import StopFlag
from job.train import Position
from job.world import Pace, World

T = TypeVar("T")

LOG_EVERY_BATCHES: Final = 100  # as the quickstart prints

log = structlog.get_logger()


def supervise(
    session: Session,
    positions: Iterable[Position],
    *,
    evaluation: Callable[[], Tally],
    stop: StopFlag,
    save_every_seconds: float,
) -> Iterator[Tally | None]:
    """Follow `positions`; yield the tally of each epoch at its end, None at all others.

    A stop that was asked for becomes an `InterruptedRunError` with a durable checkpoint.
    """
    with _saved_when_stopped(session):
        session.start_clock()
        pace = Pace(session.world)
        for position in positions:
            session.arrive(position)
            if session.epoch_is_over:
                refuse_if_stopped(stop, session.world)
                yield _finish_epoch(session, evaluation)
            else:
                _look_after(session, pace, stop, save_every_seconds)
                yield None
            session.start_clock()


def watched(
    batches: Iterable[Batch], stop: StopFlag, world: World, activity: Activity
) -> Iterator[Batch]:
    """Pass the batches on as progress; let a stop that was asked for come through between two."""
    pace = Pace(world)
    for batch in batches:
        [stopped] = pace.agree([stop.reason is not None])
        _refuse(stopped, stop)
        activity.advance(activity.step)
        yield batch


def refuse_if_stopped(stop: StopFlag, world: World) -> None:
    """Raise `InterruptedRunError` if a stop was asked for on any rank; all ranks call this."""
    _refuse(world.any(stop.reason is not None), stop)


def done_by_main(task: Callable[[], T], stop: StopFlag, world: World) -> T | None:
    """Return what rank 0 gets from its `task`, and None on the others; all ranks call this.

    Raises `InterruptedRunError` on all of them where a stop came through in it.
    """
    result, stopped = None, None
    if world.is_main:
        try:
            result = task()
        except InterruptedRunError as error:
            stopped = error
    if world.any(stopped is not None):
        reason = stop.reason or "rank 0, which was asked to"
        fix = "run the same command to go on"
        raise stopped or InterruptedRunError(f"stopped by {reason}", fix=fix)
    return result


def _refuse(stopped: bool, stop: StopFlag) -> None:
    if stopped:
        reason = stop.reason or "another rank, which was asked to"
        raise InterruptedRunError(f"stopped by {reason}", fix="run the same command to go on")


def _finish_epoch(session: Session, evaluation: Callable[[], Tally]) -> Tally:
    session.collect_loss()
    session.stop_clock()
    started = time.perf_counter()
    tally = evaluation()
    result = session.finish_epoch(tally, time.perf_counter() - started)
    session.save()
    log.info(
        "epoch",
        epoch=result.epoch,
        train_loss=round(result.train_loss, 4),
        test_loss=round(result.test_loss, 4),
        test_accuracy=result.test_accuracy,
        seconds=round(result.train_seconds, 2),
    )
    return tally


def _look_after(session: Session, pace: Pace, stop: StopFlag, save_every_seconds: float) -> None:
    due = session.save_is_due(save_every_seconds)
    stopped, save = pace.agree([stop.reason is not None, due])
    _refuse(stopped, stop)
    if save:
        log.info("checkpoint", step=session.steps, folder=str(session.save()))
    elif session.position.batch % LOG_EVERY_BATCHES == 0:
        loss = round(session.collect_loss(), 6)
        log.info("loss", loss=loss, images=session.images_done, of=session.batches.images)


@contextmanager
def _saved_when_stopped(session: Session) -> Iterator[None]:
    try:
        yield
    except InterruptedRunError as error:
        if session.world.loss is None:  # else the ranks may differ, and the last checkpoint counts
            error.checkpoint = str(session.save() or "")
            log.warning("stopping", reason=error.seen, step=session.steps, saved=error.checkpoint)
        raise
