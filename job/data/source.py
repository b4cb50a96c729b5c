"""Finds the dataset, reads it and vouches for it: every byte is the published one, or it raises.

A file that is there and bad is an error at once. Only a place that lacks files is passed over, so
that nobody trains on one copy and believes it was another.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from job.data import content, idx
from job.data.dataset import Dataset
from job.data.fetch import fetch
from job.data.spec import DatasetFile, DatasetSpec
from job.errors import DataError
from job.stop import StopFlag

# Where the Debian and Ubuntu package dataset-fashion-mnist puts the real files, packed once more.
SYSTEM_FOLDERS: Final = (Path("/usr/share/datasets/fashion-mnist"),)
# Flat, and as torchvision keeps them.
LAYOUTS: Final = (Path(), Path("FashionMNIST", "raw"))


def read(
    spec: DatasetSpec, *, data_dir: Path, offline: bool, stop: StopFlag | None = None
) -> Dataset:
    """The dataset from the first place that has all its files, fetched if need be and allowed.

    Raises `DataError` for a bad file, or with every place that was tried if none has the files, and
    `InterruptedRunError` if a `stop` came while they were fetched.
    """
    tried = []
    for folder in _places(data_dir):
        gap = _gap(spec, folder)
        if not gap:
            return _read_folder(spec, folder)
        tried.append(f"{folder}: {gap}")
    _fetch(spec, data_dir, tried, stop, offline=offline)
    return _read_folder(spec, data_dir)


def _places(data_dir: Path) -> Iterator[Path]:
    return (root / layout for root in (data_dir, *SYSTEM_FOLDERS) for layout in LAYOUTS)


def _gap(spec: DatasetSpec, folder: Path) -> str:
    try:
        found = content.locate(spec, folder)
    except OSError as error:
        return error.strerror or str(error)
    missing = [file.name for file in spec.files if file not in found]
    return f"lacks {', '.join(missing)}" if missing else ""


def _read_folder(spec: DatasetSpec, folder: Path) -> Dataset:
    # One after the other: three files are small beside the fourth, so threads measured no gain.
    paths = content.locate(spec, folder)
    values = {file: _read_file(path, file) for file, path in paths.items()}
    return Dataset(
        name=spec.name,
        classes=spec.classes,
        train_images=values[spec.train_images],
        train_labels=values[spec.train_labels],
        test_images=values[spec.test_images],
        test_labels=values[spec.test_labels],
        digests={file.name: file.sha256 for file in spec.files},
        folder=folder,
    )


def _read_file(path: Path, file: DatasetFile) -> NDArray[np.uint8]:
    return idx.decode(content.read(path, file), file.shape, origin=str(path))


def _fetch(
    spec: DatasetSpec, data_dir: Path, tried: list[str], stop: StopFlag | None, *, offline: bool
) -> None:
    if offline:
        reason = "the network: not asked, because JOB_DATA_OFFLINE=true"
        raise _nowhere(spec, [*tried, reason], last_resort=", or set JOB_DATA_OFFLINE=false")
    try:
        fetch(spec, data_dir, stop=stop)
    except DataError as error:
        raise _nowhere(spec, [*tried, error.seen]) from error


def _nowhere(spec: DatasetSpec, tried: list[str], last_resort: str = "") -> DataError:
    return DataError(
        "\n".join([f"{spec.name} was found nowhere:", *tried]),
        allowed=f"{', '.join(file.name for file in spec.files)}; raw or .gz, all in one folder",
        fix="set JOB_DATA_DIR to a folder that has the files, "
        f"or apt-get install dataset-fashion-mnist, or make data{last_resort}",
    )
