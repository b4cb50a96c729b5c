"""The only room that wires: settings in, verified results or a durable checkpoint out.

Reads from top to bottom as the README tells it: see whether the work is done already, check the
node, read the data, go on from a checkpoint, train and evaluate epoch by epoch, deliver.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
import torch

from job import artifacts, checkpoint, describe, earlier, files, report
from job.acceptance import inspect_node
from job.assemble import Trainee, make_trainee
from job.attempts import Ledger
from job.data.ahead import ReadAhead
from job.data.source import Dataset
from job.data.spec import FASHION_MNIST
from job.data.split import in_order, plan_epoch
from job.errors import ExitCode, JobError, OutputError, QualityError
from job.evaluate import Tally, evaluate, merge_all
from job.handover import hand_over
from job.preflight.result import Preflight
from job.progress import bar, is_wanted
from job.record import RunRecord
from job.session import HISTORY, Session
from job.settings import Settings
from job.step import require_supported
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.supervise import refuse_if_stopped, supervise, watched
from job.train import train
from job.world import ALONE, Placement, World, join

COMPARED_IMAGES: Final = 64

log = structlog.get_logger()


@dataclass(frozen=True)
class Attempt:
    """What every phase of an attempt may ask: settings, stop, time, ledger, data, place."""

    settings: Settings
    stop: StopFlag
    stopwatch: Stopwatch
    ledger: Ledger
    data: ReadAhead
    place: Placement


def run(
    settings: Settings,
    stop: StopFlag,
    stopwatch: Stopwatch,
    data: ReadAhead,
    place: Placement = ALONE.placement,
) -> RunRecord | None:
    """Train, evaluate and deliver, or go on with that; return the record of the finished run.

    Of several ranks only rank 0 writes to the volume, and the others return None. Every `JobError`
    is an ending of the exit-code table, and stands in the ledger of attempts.
    """
    if (finished := earlier.finished_run(settings)) is not None:
        log.info("already finished, nothing to do", output=str(settings.output_dir))
        _require_quality(finished, settings.min_accuracy)
        return finished
    ledger = _open_ledger(settings) if place.is_main else Ledger.unwritten(platform.node())
    try:
        record = _attempt(Attempt(settings, stop, stopwatch, ledger, data, place))
        if record is not None:
            _require_quality(record, settings.min_accuracy)
    except JobError as error:
        error.checkpoint = str(earlier.newest_checkpoint(settings) or "")
        _end(ledger, settings, error.exit_code, error.seen)
        raise
    except Exception as error:
        _end(ledger, settings, ExitCode.BUG, repr(error))
        raise
    _end(ledger, settings, ExitCode.FINISHED, "finished")
    return record


def _open_ledger(settings: Settings) -> Ledger:
    files.make_folder(settings.output_dir)
    files.remove_leftovers(settings.output_dir)
    return Ledger.begin(settings.output_dir, platform.node())


def _end(ledger: Ledger, settings: Settings, code: ExitCode, reason: str) -> None:
    newest = earlier.newest_checkpoint(settings)
    try:
        ledger.end(code, reason, None if newest is None else checkpoint.step_of(newest))
    except OutputError as error:  # must not hide the reason of the end
        log.warning("ledger not written", reason=error.seen)


def _attempt(attempt: Attempt) -> RunRecord | None:
    fitness = _check_node(attempt)
    device = _device(fitness, attempt.place)
    with join(attempt.place, device, attempt.stop) as world:
        refuse_if_stopped(attempt.stop, world)
        with attempt.stopwatch.phase("data"):
            dataset = _read_data(attempt, world)
            trainee = make_trainee(attempt.settings, dataset, device, world)
        _resume(attempt, trainee.session)
        tally = _train(attempt, trainee)
        refuse_if_stopped(attempt.stop, world)
        if world.is_main:
            return _deliver(attempt, trainee, fitness, dataset, tally)
    return None


def _check_node(attempt: Attempt) -> Preflight:
    settings = attempt.settings
    with attempt.stopwatch.phase("preflight"):
        fitness = inspect_node(settings, writes=attempt.place.is_main)
    fitness.require_fit()
    log.info("device", device=fitness.device, reason=fitness.device_reason)
    require_supported(settings.precision, fitness.device)
    return fitness


def _device(fitness: Preflight, place: Placement) -> torch.device:
    if fitness.device != "cuda":
        return torch.device(fitness.device)
    device = torch.device("cuda", place.device_index(torch.cuda.device_count()))
    torch.cuda.set_device(device)
    return device


def _read_data(attempt: Attempt, world: World) -> Dataset:
    """Let one rank of each node fetch what is missing; the others find it."""
    if attempt.place.local_rank == 0:
        attempt.data.dataset()
    world.barrier()
    dataset = attempt.data.dataset()
    log.info("data", folder=str(dataset.folder), images=len(dataset.train_labels))
    return dataset


def _resume(attempt: Attempt, session: Session) -> None:
    settings = attempt.settings
    found = earlier.find_checkpoint(settings) if session.world.is_main else None
    found = hand_over(found, session.world)
    if found is not None:
        session.resume(found)
        attempt.ledger.note(resumed_from_step=found.step)
        log.info("resumed", step=found.step, checkpoint=str(found.folder))


def _train(attempt: Attempt, trainee: Trainee) -> Tally:
    settings, session = attempt.settings, trainee.session
    plan = partial(
        plan_epoch,
        settings.seed,
        size=session.batches.images,
        horizontal_flip=settings.horizontal_flip,
    )
    judge = _judge(trainee, attempt.stop)
    progress = supervise(
        session,
        train(session.step, session.batches, plan, settings.epochs, session.position),
        evaluation=judge,
        stop=attempt.stop,
        save_every_seconds=settings.checkpoint_every_seconds,
    )
    tally = None
    drawn = session.world.is_main and is_wanted(settings.progress, settings.log_format)
    total = settings.epochs * session.batches.images
    with bar(total, session.images_seen, drawn=drawn) as advance:
        for tally_of_epoch in progress:
            attempt.stopwatch.mark("first_step")
            tally = tally_of_epoch or tally
            advance(session)
    return tally or judge()


def _judge(trainee: Trainee, stop: StopFlag) -> Callable[[], Tally]:
    plan, classes = in_order(trainee.test.images), len(FASHION_MNIST.classes)
    world = trainee.session.world

    def judge() -> Tally:
        batches = watched(trainee.test.epoch(plan), stop, world)
        return merge_all(evaluate(trainee.network, batches, classes), world)

    return judge


def _deliver(
    attempt: Attempt, trainee: Trainee, fitness: Preflight, dataset: Dataset, tally: Tally
) -> RunRecord:
    output, stopwatch = attempt.settings.output_dir, attempt.stopwatch
    with stopwatch.phase("artifacts"):
        images, _ = next(iter(trainee.test.epoch(in_order(trainee.test.images))))
        written = artifacts.write_weights(trainee.network, images[:COMPARED_IMAGES].cpu(), output)
    facts = describe.Facts(attempt.settings, fitness, dataset, trainee, tally)
    draft = describe.record(
        facts, artifacts.describe(output, written), stopwatch, attempt.ledger.attempts
    )
    with stopwatch.phase("artifacts"):
        written += [*report.write(draft, fitness.as_json(), output), output / HISTORY]
    record = describe.record(
        facts, artifacts.describe(output, written), stopwatch, attempt.ledger.attempts
    )
    artifacts.write_record(record, output)
    return record


def _require_quality(record: RunRecord, min_accuracy: float | None) -> None:
    accuracy = record.evaluation.accuracy
    if min_accuracy is not None and accuracy < min_accuracy:
        raise QualityError(
            f"test accuracy {accuracy:.4f}",
            allowed=f"at least {min_accuracy} (JOB_MIN_ACCURACY)",
            fix="train longer or with JOB_RECIPE=accurate; on one node only, suspect its hardware",
        )
