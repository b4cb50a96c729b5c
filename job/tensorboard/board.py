"""What a run tells TensorBoard, off the path of its steps: they only put it into a queue.

A thread imports the package and writes. Whatever goes wrong there is one warning, ends the writing,
and is never the job's failure; a volume that does not answer is waited for once, for seconds.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import structlog

from job import files
from job.errors import SettingsError
from job.lease import Lease
from job.record import EpochRecord

if TYPE_CHECKING:
    from job.tensorboard.events import EventFile

FOLDER: Final = "tensorboard"
PACKAGE: Final = "tensorboard"
# Epochs that a slow volume may be behind.
MOST_WAITING: Final = 1000
END_SECONDS: Final = 5.0

Writing = Callable[["EventFile"], None]
log = structlog.get_logger()


class Board:
    """The contract of a real one, and that of a run that nobody watches with TensorBoard."""

    def begin(
        self,
        history: Sequence[EpochRecord],
        hyperparameters: Mapping[str, bool | float | str | None],
    ) -> None:
        """Go on after the epochs of `history`, none for a run that begins."""

    def note(self, epoch: EpochRecord) -> None:
        """Take an epoch that has just ended; returns at once."""

    def finish(self, picture: Path) -> None:
        """Take the PNG of the confusion matrix as the last word, and end."""

    def end(self) -> None:
        """Return when all is written, or when that has taken too long."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self.end()


def require_installed() -> None:
    """Raise `SettingsError` if the package that writes event files is not there."""
    if find_spec(PACKAGE) is None:
        raise SettingsError(
            f"JOB_TENSORBOARD=true, and the package {PACKAGE} is not installed",
            fix="pip install '.[tensorboard]' in a clone, or leave JOB_TENSORBOARD unset",
        )


def make_board(output_dir: Path, lease: Lease, *, wanted: bool) -> Board:
    """The board of a run into `output_dir`, which writes for as long as that is held by `lease`."""
    return _Written(output_dir / FOLDER, lease) if wanted else Board()


class _Written(Board):
    """That of a run that is watched; its thread lives as long as the `with`, or until `end`."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self._folder, self._lease = folder, lease
        self._queue: queue.Queue[Writing | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._survive, name=FOLDER, daemon=True)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        """Let the thread import the package while the node is inspected and the data are read."""
        self._thread.start()
        return self

    def begin(
        self,
        history: Sequence[EpochRecord],
        hyperparameters: Mapping[str, bool | float | str | None],
    ) -> None:
        known = list(history)
        self._put(lambda events: events.begin(known, hyperparameters))

    def note(self, epoch: EpochRecord) -> None:
        ended_at = time.time()
        self._put(lambda events: events.add_epoch(epoch, ended_at))

    def finish(self, picture: Path) -> None:
        self._put(lambda events: events.finish(picture))
        self.end()

    def end(self) -> None:
        if self._thread.is_alive() and not self._over.is_set():
            self._put(None)
            self._thread.join(END_SECONDS)
            if self._thread.is_alive():
                self._give_up(f"not written within {END_SECONDS:.0f} s")

    def _put(self, writing: Writing | None) -> None:
        try:
            self._queue.put_nowait(writing)
        except queue.Full:
            self._give_up(f"{MOST_WAITING} epochs behind")

    def _survive(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  # it must not be the job's failure, whatever it is
            self._give_up(str(error) or repr(error))

    def _write(self) -> None:
        from job.tensorboard.events import EventFile  # noqa: PLC0415  # it takes a tenth of a second

        if (writing := self._queue.get()) is None:
            return  # the run has ended before it trained
        self._lease.require()
        files.make_folder(self._folder)
        with EventFile(self._folder) as events:
            while writing is not None and not self._over.is_set():
                self._lease.require()
                writing(events)
                writing = self._queue.get()

    def _give_up(self, reason: str) -> None:
        if not self._over.is_set():
            self._over.set()
            log.warning("tensorboard given up", folder=str(self._folder), reason=reason)
