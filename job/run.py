"""The only room that wires: settings in, verified results or a durable checkpoint out.

Reads from top to bottom as the README tells it: see whether the work is done already, check the
node, read the data, go on from a checkpoint, train and evaluate epoch by epoch, deliver.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
import torch

from job import artifacts, describe, earlier, pretrained, report, tenure
from job.acceptance import inspect_node
from job.activity import Activity
from job.assemble import Trainee, make_trainee
from job.data.ahead import ReadAhead
from job.data.dataset import Dataset
from job.data.split import ResidentBatches, Split, in_order, plan_epoch
from job.errors import InterruptedRunError, QualityError
from job.evaluate import Tally, confident_mistakes, evaluate, merge_all, share_buffers
from job.handover import hand_over
from job.model import require_known
from job.preflight.result import Preflight
from job.pretrained import Start
from job.progress import bar, is_wanted
from job.record import MistakeRecord, RunRecord
from job.session import HISTORY, Session
from job.settings import Settings
from job.step import require_supported
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.supervise import done_by_main, refuse_if_stopped, supervise, watched
from job.tenure import Leave, Tenure
from job.train import train
from job.world import ALONE, Approach, Placement, World, join

MISTAKES_SHOWN: Final = 12

log = structlog.get_logger()


@dataclass(frozen=True)
class Attempt:
    """What every phase of an attempt may ask: settings, stop, time, data, place, the folder."""

    settings: Settings
    stop: StopFlag
    stopwatch: Stopwatch
    data: ReadAhead
    place: Placement
    tenure: Tenure
    approach: Approach

    @property
    def activity(self) -> Activity:
        """What the watchdog and the heartbeat are told."""
        return self.tenure.activity


def run(  # noqa: PLR0913  # all of them are the process's own
    settings: Settings,
    stop: StopFlag,
    stopwatch: Stopwatch,
    data: ReadAhead,
    *,
    leave: Leave,
    place: Placement = ALONE.placement,
) -> RunRecord | None:
    """Train, evaluate and deliver, or go on with that; return the record of the finished run.

    Of several ranks only rank 0 writes to the volume, and the others return None. Every `JobError`
    is an ending of the exit-code table, and stands in the ledger of attempts. `leave` ends the
    process with one where the main thread cannot raise it, because it is stuck.
    """
    if (finished := earlier.finished_run(settings)) is not None:
        log.info("already finished, nothing to do", output=str(settings.output_dir))
        _require_quality(finished, settings.min_accuracy)
        return finished
    with (
        Approach(place, stop) as approach,
        tenure.hold(settings, stop, stopwatch, place, leave) as held,
    ):
        record = _attempt(Attempt(settings, stop, stopwatch, data, place, held, approach))
        if record is not None:
            _require_quality(record, settings.min_accuracy)
    return record


def _attempt(attempt: Attempt) -> RunRecord | None:
    held, activity = attempt.tenure, attempt.activity
    require_known(attempt.settings.model)
    fitness = _check_node(attempt)
    device = _device(fitness, attempt.place)
    if device.type == "cuda" and attempt.place.is_main:
        held.gpu_use.begin(torch.cuda.get_device_properties(device))
    activity.enter("meeting")
    attempt.approach.end()
    with join(attempt.place, device, attempt.stop, leave=held.leave) as world:
        refuse_if_stopped(attempt.stop, world)
        activity.enter("data")
        with attempt.stopwatch.phase("data"):
            dataset = _read_data(attempt, world)
            start = _read_start(attempt, world)
            trainee = make_trainee(
                attempt.settings, dataset, device, world, lease=held.lease, start=start
            )
        activity.enter("training")
        _resume(attempt, trainee.session)
        held.board.begin(trainee.session.history, attempt.settings.training_values())
        tally = _train(attempt, trainee)
        refuse_if_stopped(attempt.stop, world)
        activity.enter("delivering")
        deliver = partial(_deliver, attempt, trainee, fitness, dataset, tally)
        return done_by_main(deliver, attempt.stop, world)


def _check_node(attempt: Attempt) -> Preflight:
    settings = attempt.settings
    attempt.activity.enter("preflight")
    with attempt.stopwatch.phase("preflight"):
        fitness = inspect_node(settings, writes=attempt.place.is_main)
    fitness.require_fit(attempt.place.node_name)
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
        with contextlib.suppress(InterruptedRunError):  # all ranks stop together, just below
            attempt.data.dataset()
    refuse_if_stopped(attempt.stop, world)
    dataset = attempt.data.dataset()
    log.info("data", folder=str(dataset.folder), images=len(dataset.train_labels))
    return dataset


def _read_start(attempt: Attempt, world: World) -> Start | None:
    settings, start = attempt.settings, None
    if settings.model_weights is None:
        return None
    with contextlib.suppress(InterruptedRunError):  # all ranks stop together, just below
        start = pretrained.read(
            settings.model,
            settings.model_weights,
            offline=settings.data_offline,
            stop=attempt.stop,
        )
    refuse_if_stopped(attempt.stop, world)
    return start


def _resume(attempt: Attempt, session: Session) -> None:
    attempt.tenure.lease.require()
    found = None
    if session.world.is_main:
        found = earlier.find_checkpoint(attempt.settings, session)
    found = hand_over(found, session.world)
    if found is not None:
        session.resume(found)
        attempt.activity.advance(found.step)
        attempt.tenure.ledger.resume(found.step)
        log.info("resumed", step=found.step, checkpoint=str(found.folder))


def _train(attempt: Attempt, trainee: Trainee) -> Tally:
    settings, session = attempt.settings, trainee.session
    plan = partial(
        plan_epoch,
        settings.seed,
        size=session.batches.images,
        horizontal_flip=settings.horizontal_flip,
    )
    judge = _judge(attempt, trainee)
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
            attempt.activity.advance(session.steps)
            tally = tally_of_epoch or tally
            if tally_of_epoch:
                attempt.tenure.board.note(session.history[-1])
            advance(session)
    return tally or judge()


def _judge(attempt: Attempt, trainee: Trainee) -> Callable[[], Tally]:
    plan, classes = in_order(trainee.test.images), trainee.classes
    session, activity = trainee.session, attempt.activity

    def judge() -> Tally:
        activity.enter("evaluating")
        share_buffers(trainee.network, session.world)
        batches = watched(trainee.test.epoch(plan), attempt.stop, session.world, activity)
        tally = merge_all(evaluate(trainee.network, batches, classes), session.world)
        activity.enter("training")
        return tally

    return judge


def _deliver(
    attempt: Attempt, trainee: Trainee, fitness: Preflight, dataset: Dataset, tally: Tally
) -> RunRecord:
    output, stopwatch = attempt.settings.output_dir, attempt.stopwatch
    lease, attempts = attempt.tenure.lease, attempt.tenure.ledger.attempts
    lease.require()
    with stopwatch.phase("artifacts"):
        written = artifacts.write_weights(trainee.network, trainee.fixed_batch(), output)
        mistakes = _mistakes(attempt, trainee, dataset)
    gpu_use = attempt.tenure.gpu_use.record()
    facts = describe.Facts(attempt.settings, fitness, dataset, trainee, tally, mistakes, gpu_use)
    draft = describe.record(facts, artifacts.describe(output, written), stopwatch, attempts)
    lease.require()
    with stopwatch.phase("artifacts"):
        pages = report.write(draft, fitness.as_json(), output, dataset.test_images)
        written += [*pages, output / HISTORY]
    attempt.tenure.board.finish(output / report.CONFUSION_MATRIX)
    record = describe.record(facts, artifacts.describe(output, written), stopwatch, attempts)
    lease.require()
    artifacts.write_record(record, output)
    return record


def _mistakes(attempt: Attempt, trainee: Trainee, dataset: Dataset) -> list[MistakeRecord]:
    """Of the whole test set, of which `trainee.test` may be one rank's share.

    A large network takes as long for it as for an evaluation, so a stop comes through here, too.
    """
    device = next(trainee.network.parameters()).device
    split = Split.on(device, dataset.test_images, dataset.test_labels)
    whole = ResidentBatches(split, trainee.test.batch_size).epoch(in_order(len(split)))
    batches = watched(whole, attempt.stop, ALONE, attempt.activity)
    return confident_mistakes(trainee.network, batches, MISTAKES_SHOWN)


def _require_quality(record: RunRecord, min_accuracy: float | None) -> None:
    accuracy = record.evaluation.accuracy
    if min_accuracy is not None and accuracy < min_accuracy:
        raise QualityError(
            f"test accuracy {accuracy:.4f}",
            allowed=f"at least {min_accuracy} (JOB_MIN_ACCURACY)",
            fix="train longer or with JOB_RECIPE=accurate; on one node only, suspect its hardware",
        )
