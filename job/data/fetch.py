"""Fetches the dataset from torchvision's mirrors: once, however many processes start at once.

torchvision's own download helper is not used: it waits for a silent mirror forever, writes under
the final name, and knows only MD5.

A stop ends it at once, whatever it waits for, because a thread waits for names and mirrors. Files
are written by the caller alone, so that none is left half written.
"""

import contextlib
import fcntl
import io
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final, TextIO
from urllib.error import HTTPError

import structlog

from job.data import content
from job.data.spec import DatasetFile, DatasetSpec
from job.errors import DataError, InterruptedRunError, OutputError
from job.files import make_folder, write_bytes
from job.stop import StopFlag

LOCK_NAME: Final = ".fetch.lock"
# Of silence, then of the whole file: the largest one, 26 MB, needs 44 kB/s.
SILENCE_SECONDS: Final = 20.0
DOWNLOAD_SECONDS: Final = 600.0
CHUNK_BYTES: Final = 2**16
LOOK_SECONDS: Final = 0.1

_log = structlog.get_logger()


def fetch(
    spec: DatasetSpec,
    data_dir: Path,
    mirrors: Sequence[str] | None = None,
    *,
    stop: StopFlag | None = None,
) -> None:
    """Make `data_dir` hold all files of `spec`; the missing ones come packed, under `NAME.gz`.

    `mirrors` are addresses that end in a slash, tried in order; None means torchvision's. A file
    that is there already is not looked into. Raises `DataError` with each mirror's failure, or
    if `data_dir` cannot be written, and `InterruptedRunError` after a `stop`; the files that were
    whole by then stay.
    """
    stop = stop or StopFlag()
    with _storage_errors(data_dir):
        make_folder(data_dir)
        with _lock(data_dir, stop):
            found = content.locate(spec, data_dir)
            for file in (file for file in spec.files if file not in found):
                packed = _download_from_any(_urls(mirrors, file), file, stop)
                write_bytes(data_dir / _packed_name(file), packed)


def _packed_name(file: DatasetFile) -> str:
    return file.name + content.PACKED_SUFFIX


def _urls(mirrors: Sequence[str] | None, file: DatasetFile) -> list[str]:
    known = _torchvision_mirrors() if mirrors is None else mirrors
    return [mirror + _packed_name(file) for mirror in known]


def _torchvision_mirrors() -> list[str]:
    # Here and not above, because it takes seconds and most runs never come here.
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    mirrors: list[str] = FashionMNIST.mirrors
    return mirrors


def _download_from_any(urls: list[str], file: DatasetFile, stop: StopFlag) -> bytes:
    failures = []
    for url in urls:
        _log.info("fetching", url=url)
        try:
            return _attended(partial(_download_verified, url, file), stop)
        except DataError as error:
            failures.append(error.seen)
        except HTTPError as error:
            failures.append(f"{url}: {error}")
            error.close()  # it is a response, too, and has a connection
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {error}")
    raise DataError("\n".join(failures))


def _download_verified(url: str, file: DatasetFile) -> bytes:
    packed = _download(url, content.packed_limit_bytes(file))
    content.unpack(io.BytesIO(packed), file, origin=url)
    return packed


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
        _refuse_if_stopped(stop)
        wait([result], LOOK_SECONDS)
    return result.result()


@contextlib.contextmanager
def _lock(folder: Path, stop: StopFlag) -> Iterator[None]:
    # The kernel drops the lock with its holder, so the file may stay; removing it would be a race.
    with (folder / LOCK_NAME).open("a") as file:
        if not _is_ours(file):
            _log.info("waiting for another process that fetches the dataset", lock=file.name)
        while not _is_ours(file):
            _refuse_if_stopped(stop)
            time.sleep(LOOK_SECONDS)
        yield


def _is_ours(file: TextIO) -> bool:
    """Take the lock, if nobody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_if_stopped(stop: StopFlag) -> None:
    if stop.reason is not None:
        raise InterruptedRunError(
            f"stopped by {stop.reason} while the dataset was fetched",
            fix="run the same command to go on",
        )


@contextlib.contextmanager
def _storage_errors(data_dir: Path) -> Iterator[None]:
    # Exit code 65 and not 73: it is the dataset that is missing, the results have their own volume.
    try:
        yield
    except OutputError as error:
        raise DataError(f"{data_dir} cannot take what is fetched: {error.seen}") from error
    except OSError as error:
        raise DataError(f"{data_dir} cannot take what is fetched: {error}") from error
