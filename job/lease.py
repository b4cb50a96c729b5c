"""One live owner of an output folder, on any file system that can create a file exclusively.

    lease/00000007.json     the seventh owner of this folder; touched once a second

Numbers only grow, and the highest is the owner's. Whoever wants the folder creates the next number,
which the file system grants to one, once the highest is vacant: it says that it was released, its
process is provably dead, or nobody has touched it for as long as the settings say. No clocks are
compared: the challenger watches.

An owner writes under its own number only, so one that was suspended and wakes up late can do no
harm to its successor. It calls `require` before it writes to the volume, and finds its file gone:
to remove it is the first thing that a successor does.
"""

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from job import files
from job.errors import InterruptedRunError, OutputError
from job.holder import GONE, Holder, Sight, lock, look, this_holder
from job.stop import StopFlag

FOLDER: Final = "lease"
LOOK_SECONDS: Final = 0.05

log = structlog.get_logger()


class Lease:
    """That of a process that writes nothing there, and the contract of a real one."""

    def touch(self) -> bool:
        """Show challengers that the owner lives, once a second; False if the lease is lost."""
        return True

    def require(self) -> None:
        """Raise `OutputError` if the folder is another job's by now; call it before each write."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next one in."""


def acquire(output_dir: Path, silence_seconds: float, stop: StopFlag) -> Lease:
    """Become the owner of `output_dir`, which is made.

    At once if nobody is or the owner is provably dead, otherwise after `silence_seconds` without a
    sign of life. Raises `OutputError` that names an owner who gives one, and `InterruptedRunError`
    if a stop is asked for meanwhile.
    """
    folder = output_dir / FOLDER
    take = partial(_try_once, folder, silence_seconds, stop)
    while True:
        files.make_folder(folder)
        if (lease := files.insist("take a lease in", folder, take)) is not None:
            return lease
        time.sleep(LOOK_SECONDS)  # another one was faster


def _try_once(folder: Path, silence_seconds: float, stop: StopFlag) -> Lease | None:
    newest = _newest(folder)
    _await_vacancy(_path(folder, newest), silence_seconds, stop)
    return _claim(folder, newest + 1, stop)


class _Held(Lease):
    """That of the owner."""

    def __init__(self, path: Path, holder: Holder, lock: int | None, stop: StopFlag) -> None:
        self._path, self._holder, self._lock, self._stop = path, holder, lock, stop

    def touch(self) -> bool:
        """Ask for a stop where the lease is lost, so that no more is computed in vain."""
        try:
            os.utime(self._path)
        except OSError as error:
            if error.errno in GONE:
                self._stop.request("the loss of the output folder")
                return False
            log.warning("lease not touched", path=str(self._path), reason=error.strerror)
        return True

    def require(self) -> None:
        """Look at the file: the successor has removed it, and nobody else is given its name."""
        if not self._is_ours():
            output_dir = self._path.parent.parent
            raise OutputError(
                f"{output_dir} was taken over by {self._successor() or 'another job'}",
                allowed="an owner that gives a sign of life within JOB_LEASE_SECONDS",
                fix="nothing, if that job is to go on; this one was suspended, or its volume",
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_ours():
            try:
                released = self._holder.model_copy(update={"released": True})
                files.write_bytes(self._path, released.content)
            except OutputError as failure:  # the next one finds that this process is dead, or waits
                log.warning("lease not released", reason=failure.seen)
        if self._lock is not None:
            with contextlib.suppress(OSError):  # the kernel lets go of it whatever it answers
                os.close(self._lock)

    def _successor(self) -> Holder | None:
        folder = self._path.parent
        with contextlib.suppress(OSError, OutputError):  # the folder may be gone as well
            return look(_path(folder, _newest(folder))).holder
        return None

    def _is_ours(self) -> bool:
        try:
            # Twice, because a server that restarts may say once that a file is gone.
            return any(look(self._path).content == self._holder.content for _ in range(2))
        except OSError:  # of a volume that cannot be read, the write that follows will tell
            return True


def _await_vacancy(path: Path, silence_seconds: float, stop: StopFlag) -> None:
    """Return when it is vacant or was silent for so long; raise at a sign of life."""
    first = seen = look(path)
    # Looks are counted, not seconds: a challenger that was suspended has not watched meanwhile.
    for looks in range(round(silence_seconds / LOOK_SECONDS)):
        if seen.is_vacant:
            return
        _refuse_if_alive(seen, first)
        if stop.reason is not None:
            raise InterruptedRunError(f"stopped by {stop.reason}", fix="run the same command again")
        if looks == 0:
            log.info("watching the owner", owner=str(seen.holder), seconds=silence_seconds)
        time.sleep(LOOK_SECONDS)
        seen = look(path)
    log.warning("owner is silent", owner=str(seen.holder), seconds=silence_seconds)


def _refuse_if_alive(seen: Sight, first: Sight) -> None:
    if seen != first:
        raise OutputError(
            f"{seen.path.parent.parent} is held by {seen.holder or 'another job'}",
            allowed="one job at a time",
            fix="wait until that job has ended, or set JOB_OUTPUT_DIR to another folder",
        )


def _claim(folder: Path, number: int, stop: StopFlag) -> Lease | None:
    """Create the file of that number; None if another one was faster."""
    path = _path(folder, number)
    with (
        contextlib.suppress(FileExistsError, FileNotFoundError),
        contextlib.ExitStack() as undo,
        path.open("xb") as file,
    ):
        undo.callback(path.unlink, missing_ok=True)
        descriptor = lock(path)  # before anyone can read that there is one
        if descriptor is not None:
            undo.callback(os.close, descriptor)
        holder = this_holder(os.fstat(file.fileno()).st_dev, locked=descriptor is not None)
        file.write(holder.content)
        file.close()
        if _newest(folder) == number:  # else an old list of names led to a number of the past
            _remove_others(folder, path)
            undo.pop_all()
            return _Held(path, holder, descriptor, stop)
    return None


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.json"


def _newest(folder: Path) -> int:
    return max((int(path.stem) for path in _files(folder)), default=0)


def _remove_others(folder: Path, own: Path) -> None:
    for path in _files(folder):
        if path != own:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    paths = (folder / name for name in files.names_in(folder) if name.endswith(".json"))
    return [path for path in paths if path.stem.isdecimal()]
