"""CIFAR-10 in its binary version, which holds plain bytes where the other one holds pickles.

Each record is a label and 3 × 32 × 32 pixels. Source: https://www.cs.toronto.edu/~kriz/cifar.html,
which has the MD5, too.
"""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from job.data.dataset import Dataset
from job.data.download import Published, download, locked, storage_errors
from job.data.packed import require_md5
from job.errors import DataError
from job.files import make_folder, write_bytes
from job.reading import read_bounded
from job.stop import StopFlag

ARCHIVE: Final = "cifar-10-binary.tar.gz"
ARCHIVE_MD5: Final = "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER: Final = "cifar-10-batches-bin"
TRAIN_FILES: Final = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE: Final = "test_batch.bin"
NAMES_FILE: Final = "batches.meta.txt"
FILES: Final = (*TRAIN_FILES, TEST_FILE, NAMES_FILE)
SHAPE: Final = (3, 32, 32)
RECORD_BYTES: Final = 1 + 3 * 32 * 32
LIMIT_FILE_BYTES: Final = 10_000 * RECORD_BYTES
LIMIT_ARCHIVE_BYTES: Final = 2**28  # it has 170 MB


def read(*, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
    """The dataset from `data_dir`, unpacked or not, fetched if need be and allowed.

    Raises `DataError` for a bad file or if none is there, and `InterruptedRunError` if a `stop`
    came while it was fetched.
    """
    unpacked = data_dir / FOLDER
    if unpacked.is_dir():
        return _dataset(
            {name: _read(unpacked / name, LIMIT_FILE_BYTES) for name in FILES}, unpacked
        )
    archive = data_dir / ARCHIVE
    if not archive.exists():
        _fetch(archive, stop or StopFlag(), offline=offline)
    return _dataset(_members(_read(archive, LIMIT_ARCHIVE_BYTES), str(archive)), data_dir)


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        return read_bounded(path, limit_bytes)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _fetch(archive: Path, stop: StopFlag, *, offline: bool) -> None:
    if offline:
        raise DataError(
            f"neither {archive} nor {archive.parent / FOLDER} is there, and JOB_DATA_OFFLINE=true",
            allowed=f"{ARCHIVE}, or {FOLDER} with {', '.join(FILES)}",
            fix="set JOB_DATA_DIR to a folder that has one of them, or JOB_DATA_OFFLINE=false",
        )
    wanted = Published([_address()], LIMIT_ARCHIVE_BYTES, _require_published)
    with storage_errors(archive.parent):
        make_folder(archive.parent)
        with locked(archive.parent, stop):
            if not archive.exists():
                write_bytes(archive, download(wanted, stop))


def _address() -> str:
    from torchvision.datasets import CIFAR10  # noqa: PLC0415  # it takes two seconds

    pickles: str = CIFAR10.url
    return pickles.rsplit("/", 1)[0] + "/" + ARCHIVE


def _require_published(data: bytes, origin: str) -> None:
    require_md5(data, ARCHIVE_MD5, origin)


def _members(data: bytes, origin: str) -> dict[str, bytes]:
    _require_published(data, origin)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {name: _member(archive, f"{FOLDER}/{name}") for name in FILES}
    except (tarfile.TarError, KeyError, OSError, EOFError) as error:
        raise DataError(f"{origin} cannot be unpacked: {error}") from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    return b"" if stream is None else stream.read(LIMIT_FILE_BYTES + 1)


def _dataset(files: dict[str, bytes], folder: Path) -> Dataset:
    classes = tuple(files[NAMES_FILE].decode(errors="replace").split())
    train = [_records(files[name], name, len(classes)) for name in TRAIN_FILES]
    test_images, test_labels = _records(files[TEST_FILE], TEST_FILE, len(classes))
    return Dataset(
        name="cifar10",
        classes=classes,
        train_images=np.concatenate([images for images, _ in train]),
        train_labels=np.concatenate([labels for _, labels in train]),
        test_images=test_images,
        test_labels=test_labels,
        digests={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        folder=folder,
    )


def _records(data: bytes, name: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if not data or len(data) % RECORD_BYTES or len(data) > LIMIT_FILE_BYTES:
        raise DataError(
            f"{name} has {len(data)} bytes",
            allowed=f"a multiple of {RECORD_BYTES}, at most {LIMIT_FILE_BYTES}",
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, RECORD_BYTES)
    if rows[:, 0].max() >= classes:
        raise DataError(f"{name} has the label {rows[:, 0].max()} of {classes} classes")
    return rows[:, 1:].reshape(-1, *SHAPE), rows[:, 0]
