"""Downloads what is published: within bounds, verified, once for all processes, and stoppable.

A stop ends it at once, whatever it waits for, because a thread waits for names and mirrors. Files
are written by the caller alone, so that none is left half written.
"""

import contextlib
import fcntl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final, TextIO
from urllib.error import HTTPError

import structlog

from job.errors import DataError, InterruptedRunError, OutputError
from job.stop import StopFlag

LOCK_NAME: Final = ".fetch.lock"
# Of silence, then of the whole file: the largest of Fashion-MNIST, 26 MB, needs 44 kB/s.
SILENCE_SECONDS: Final = 20.0
DOWNLOAD_SECONDS: Final = 600.0
CHUNK_BYTES: Final = 2**16
LOOK_SECONDS: Final = 0.1
FETCHED: Final = "the dataset was fetched"

_log = structlog.get_logger()


@dataclass(frozen=True)
class Published:
    """A file at several addresses, tried in order; `verify` raises `DataError` for a wrong one.

    It is called with the bytes and the address that they came from.
    """

    urls: Sequence[str]
    limit_bytes: int
    verify: Callable[[bytes, str], object]


def download(wanted: Published, stop: StopFlag) -> bytes:
    """The bytes from the first address that has the right ones.

    Raises `DataError` with each address's failure, and `InterruptedRunError` after a `stop`.
    """
    failures = []
    for url in wanted.urls:
        _log.info("fetching", url=url)
        try:
            return _attended(partial(_download_verified, url, wanted), stop)
        except DataError as error:
            failures.append(error.seen)
        except HTTPError as error:
            failures.append(f"{url}: {error}")
            error.close()  # it is a response, too, and has a connection
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
    raise DataError("\n".join(failures))


def _download_verified(url: str, wanted: Published) -> bytes:
    received = _download(url, wanted.limit_bytes)
    wanted.verify(received, url)
    return received


def _download(url: str, limit_bytes: int) -> bytes:
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    received = bytearray()
    with urllib.request.urlopen(url, timeout=SILENCE_SECONDS) as response:  # noqa: S310  # a mirror
        # read1 returns what has arrived; read would wait for a whole chunk, past the deadline.
        while chunk := response.read1(CHUNK_BYTES):
            received += chunk
            if len(received) > limit_bytes:
                raise DataError(f"{url} sends more than {limit_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {DOWNLOAD_SECONDS:g} s")
    return bytes(received)


def _attended(work: Callable[[], bytes], stop: StopFlag) -> bytes:
    """What comes of `work`, in a thread that is left to itself after a stop."""
    result: Future[bytes] = Future()

    def finish() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=finish, name="download", daemon=True).start()
    while not result.done():
        refuse_if_stopped(stop, FETCHED)
        wait([result], LOOK_SECONDS)
    return result.result()


@contextlib.contextmanager
def locked(folder: Path, stop: StopFlag) -> Iterator[None]:
    """Be the one process that fetches into `folder`; raises as `download` does after a `stop`."""
    # The kernel drops the lock with its holder, so the file may stay; removing it would be a race.
    with (folder / LOCK_NAME).open("a") as file:
        if not _is_ours(file):
            _log.info("waiting for another process that fetches the dataset", lock=file.name)
        while not _is_ours(file):
            refuse_if_stopped(stop, FETCHED)
            time.sleep(LOOK_SECONDS)
        yield


def _is_ours(file: TextIO) -> bool:
    """Take the lock, if nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_if_stopped(stop: StopFlag, meanwhile: str) -> None:
    """Raise `InterruptedRunError` after a `stop`, which says what was being done."""
    if stop.reason is not None:
        raise InterruptedRunError(
            f"stopped by {stop.reason} while {meanwhile}",
            fix="run the same command to go on",
        )


@contextlib.contextmanager
def storage_errors(data_dir: Path) -> Iterator[None]:
    """Turn a failure of `data_dir` into a `DataError`."""
    # Exit code 65 and not 73: it is the dataset that is missing, the results have their own volume.
    try:
        yield
    except OutputError as error:
        raise DataError(f"{data_dir} cannot take what is fetched: {error.seen}") from error
    except OSError as error:
        raise DataError(f"{data_dir} cannot take what is fetched: {error}") from error
