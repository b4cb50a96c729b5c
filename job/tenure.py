"""What an attempt has for as long as the output folder is its own, begun and ended together.

First the lease, so that nobody else writes; then the ledger's line; then the heartbeat, which keeps
the lease, the watchdog, the samples of the GPU where one is used, and TensorBoard's files where
they are wanted. However the attempt ends, the ledger says so before the lease goes.
"""

import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from job import earlier, files, heartbeat, tensorboard
from job.activity import Activity
from job.attempts import Ledger
from job.errors import ExitCode, JobError, OutputError
from job.gpu_use import GpuUse
from job.heartbeat import Heartbeat
from job.lease import Lease, acquire
from job.settings import Settings
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.tensorboard import Board
from job.watchdog import Watchdog
from job.world import Placement

# For the ledger of an attempt that is ended from another thread: its volume may be why it hangs.
LAST_LINE_SECONDS: Final = 10.0

Leave = Callable[[JobError], None]
log = structlog.get_logger()


@dataclass(frozen=True)
class Tenure:
    """The lease, the ledger, what is going on, who watches, and the way out for other threads."""

    settings: Settings
    lease: Lease
    ledger: Ledger
    activity: Activity
    gpu_use: GpuUse
    board: Board
    leave_process: Leave

    def end(self, code: ExitCode, reason: str, unfit_node: str | None = None) -> None:
        """Enter how the attempt ended; what cannot be entered must not hide the reason."""
        step = earlier.newest_step(self.settings)
        try:
            self.ledger.end(code, reason, step, self.activity.step, unfit_node)
        except OutputError as error:
            log.warning("ledger not written", reason=error.seen)

    def close(self, error: JobError) -> None:
        """Enter an error as the end, and tell it which checkpoint is durable."""
        error.checkpoint = str(earlier.newest_checkpoint(self.settings) or "")
        self.end(error.exit_code, error.seen, error.unfit_node or None)

    def leave(self, error: JobError) -> None:
        """End the process from another thread, because the main one is stuck."""
        last_line = threading.Thread(target=self.close, args=(error,), daemon=True)
        last_line.start()
        last_line.join(LAST_LINE_SECONDS)
        self.leave_process(error)


@contextmanager
def hold(
    settings: Settings,
    stop: StopFlag,
    stopwatch: Stopwatch,
    place: Placement,
    leave_process: Leave,
) -> Iterator[Tenure]:
    """Have the output folder inside, as rank 0; the other ranks have a tenure of nothing.

    Every error that comes through is an ending, and stands in the ledger. Raises as `acquire` does,
    and `NoProgressError` after too many attempts that came to nothing.
    """
    with _lease(settings, stop, place) as lease:
        ledger = _ledger(settings, stopwatch, place, lease)
        activity = Activity(settings.stall_seconds)
        gpu_use = GpuUse(stopwatch)
        wanted = settings.tensorboard and place.is_main
        board = tensorboard.make_board(settings.output_dir, lease, wanted=wanted)
        tenure = Tenure(settings, lease, ledger, activity, gpu_use, board, leave_process)
        paths = _heartbeat_files(settings, place)
        with (
            Heartbeat(paths, ledger.number, activity, stopwatch, lease.touch),
            Watchdog(activity, tenure.leave),
            gpu_use,
            _entered(tenure),
            _owned(lease),
            board,
        ):
            ledger.require_progress(settings.max_attempts_without_progress)
            yield tenure


@contextmanager
def _entered(tenure: Tenure) -> Iterator[None]:
    try:
        yield
    except JobError as error:
        tenure.close(error)
        raise
    except BaseException as error:
        # Code of the user's may call sys.exit(): no way out but through the ledger.
        tenure.end(ExitCode.BUG, repr(error))
        raise
    tenure.end(ExitCode.FINISHED, "finished")


@contextmanager
def _owned(lease: Lease) -> Iterator[None]:
    """Let what follows from the loss of the folder end as that, such as the stop it asks for."""
    try:
        yield
    finally:
        lease.require()


def _lease(settings: Settings, stop: StopFlag, place: Placement) -> Lease:
    if not place.is_main:
        return Lease()
    return acquire(settings.output_dir, settings.lease_seconds, stop)


def _ledger(settings: Settings, stopwatch: Stopwatch, place: Placement, lease: Lease) -> Ledger:
    if not place.is_main:
        return Ledger.unwritten(platform.node(), stopwatch)
    files.remove_leftovers(settings.output_dir)
    return Ledger.begin(
        settings.output_dir,
        platform.node(),
        stopwatch,
        durable_step=earlier.newest_step(settings),
        lease=lease,
    )


def _heartbeat_files(settings: Settings, place: Placement) -> list[Path]:
    paths = [settings.output_dir / heartbeat.FILE] if place.is_main else []
    if place.local_rank == 0 and settings.heartbeat_file is not None:
        paths.append(settings.heartbeat_file)
    return paths
