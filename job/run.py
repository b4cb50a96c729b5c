"""The only room that wires: settings in, verified results or a durable checkpoint out.

Reads from top to bottom as the README tells it: see whether the work is done already, check the
node, read the data, go on from a checkpoint, train and evaluate epoch by epoch, deliver.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import torch

from job import artifacts, checkpoint, describe, files, report
from job.acceptance import inspect_node
from job.assemble import Trainee, make_trainee
from job.attempts import Ledger
from job.data import source
from job.data.source import Dataset
from job.data.spec import FASHION_MNIST
from job.data.split import in_order, plan_epoch
from job.errors import ExitCode, JobError, OutputError, QualityError, SettingsError
from job.evaluate import Tally, evaluate
from job.preflight.result import Preflight
from job.progress import bar, is_wanted
from job.record import RunRecord
from job.session import CHECKPOINTS, HISTORY, Session
from job.settings import Settings
from job.step import require_supported
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.supervise import refuse_if_stopped, supervise, watched
from job.train import train

COMPARED_IMAGES: Final = 64

log = structlog.get_logger()


@dataclass(frozen=True)
class Attempt:
    """What every phase of an attempt may ask: the settings, the stop, the time, the ledger."""

    settings: Settings
    stop: StopFlag
    stopwatch: Stopwatch
    ledger: Ledger


def run(settings: Settings, stop: StopFlag, stopwatch: Stopwatch) -> RunRecord:
    """Train, evaluate and deliver, or go on with that; return the record of the finished run.

    Every `JobError` is an ending of the exit-code table, and stands in the ledger of attempts.
    """
    if (finished := _finished_before(settings)) is not None:
        log.info("already finished, nothing to do", output=str(settings.output_dir))
        _require_quality(finished, settings.min_accuracy)
        return finished
    files.make_folder(settings.output_dir)
    files.remove_leftovers(settings.output_dir)
    ledger = Ledger.begin(settings.output_dir, platform.node())
    try:
        record = _attempt(Attempt(settings, stop, stopwatch, ledger))
        _require_quality(record, settings.min_accuracy)
    except JobError as error:
        error.checkpoint = str(checkpoint.newest(_checkpoints(settings)) or "")
        _end(ledger, settings, error.exit_code, error.seen)
        raise
    except Exception as error:
        _end(ledger, settings, ExitCode.BUG, repr(error))
        raise
    _end(ledger, settings, ExitCode.FINISHED, "finished")
    return record


def _end(ledger: Ledger, settings: Settings, code: ExitCode, reason: str) -> None:
    newest = checkpoint.newest(_checkpoints(settings))
    try:
        ledger.end(code, reason, None if newest is None else checkpoint.step_of(newest))
    except OutputError as error:  # must not hide the reason of the end
        log.warning("ledger not written", reason=error.seen)


def _attempt(attempt: Attempt) -> RunRecord:
    fitness = _check_node(attempt)
    refuse_if_stopped(attempt.stop)
    with attempt.stopwatch.phase("data"):
        dataset = _read_data(attempt.settings)
        trainee = make_trainee(attempt.settings, dataset, torch.device(fitness.device))
    _resume(attempt, trainee.session)
    tally = _train(attempt, trainee)
    refuse_if_stopped(attempt.stop)
    return _deliver(attempt, trainee, fitness, dataset, tally)


def _finished_before(settings: Settings) -> RunRecord | None:
    if settings.resume == "never":
        return None
    record = artifacts.read_record(settings.output_dir)
    if record is not None:
        before = {name: setting.value for name, setting in record.settings.items()}
        _require_same_training(before, settings, "a finished run")
    return record


def _check_node(attempt: Attempt) -> Preflight:
    settings = attempt.settings
    with attempt.stopwatch.phase("preflight"):
        fitness = inspect_node(settings)
    fitness.require_fit()
    log.info("device", device=fitness.device, reason=fitness.device_reason)
    require_supported(settings.precision, fitness.device)
    return fitness


def _read_data(settings: Settings) -> Dataset:
    dataset = source.read(FASHION_MNIST, data_dir=settings.data_dir, offline=settings.data_offline)
    log.info("data", folder=str(dataset.folder), images=len(dataset.train_labels))
    return dataset


def _resume(attempt: Attempt, session: Session) -> None:
    settings = attempt.settings
    if settings.resume == "never":
        _forget(settings)
    found = checkpoint.latest(_checkpoints(settings))
    if found is not None:
        _require_same_training(found.state.settings, settings, "a checkpoint")
        session.resume(found)
        attempt.ledger.note(resumed_from_step=found.step)
        log.info("resumed", step=found.step, checkpoint=str(found.folder))
    elif settings.resume == "required":
        raise SettingsError(
            f"JOB_RESUME=required, and {_checkpoints(settings)} has no whole checkpoint",
            fix="set JOB_OUTPUT_DIR to the folder of the earlier run, or JOB_RESUME=auto",
        )


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
    drawn = is_wanted(settings.progress, settings.log_format)
    total = settings.epochs * session.batches.images
    with bar(total, session.images_seen, drawn=drawn) as advance:
        for tally_of_epoch in progress:
            attempt.stopwatch.mark("first_step")
            tally = tally_of_epoch or tally
            advance(session)
    return tally or judge()


def _judge(trainee: Trainee, stop: StopFlag) -> Callable[[], Tally]:
    plan, classes = in_order(trainee.test.images), len(FASHION_MNIST.classes)
    return lambda: evaluate(trainee.network, watched(trainee.test.epoch(plan), stop), classes)


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


def _forget(settings: Settings) -> None:
    files.remove_file(settings.output_dir / artifacts.RECORD)
    files.remove_file(settings.output_dir / HISTORY)
    files.remove_folder(_checkpoints(settings))


def _require_same_training(before: Mapping[str, object], settings: Settings, what: str) -> None:
    differing = [
        f"{name} is {value}, was {before.get(name)}"
        for name, value in settings.training_values().items()
        if before.get(name) != value
    ]
    if differing:
        raise SettingsError(
            f"{settings.output_dir} has {what} of other settings: {'; '.join(differing)}",
            allowed="the settings that it was begun with",
            fix="set these back, set JOB_OUTPUT_DIR to another folder, or JOB_RESUME=never",
        )


def _require_quality(record: RunRecord, min_accuracy: float | None) -> None:
    accuracy = record.evaluation.accuracy
    if min_accuracy is not None and accuracy < min_accuracy:
        raise QualityError(
            f"test accuracy {accuracy:.4f}",
            allowed=f"at least {min_accuracy} (JOB_MIN_ACCURACY)",
            fix="train longer or with JOB_RECIPE=accurate; on one node only, suspect its hardware",
        )


def _checkpoints(settings: Settings) -> Path:
    return settings.output_dir / CHECKPOINTS
