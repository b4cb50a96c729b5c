"""Pictures in folders: `train/CLASS/*` and `test/CLASS/*`, as torchvision's `ImageFolder` has them.

They are read once, upright, in colour, and kept as squares of one side: the shorter side is fitted
and the middle of the longer one kept, as torchvision's models are evaluated.
"""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from job.data import picture
from job.data.dataset import Dataset
from job.data.download import refuse_if_stopped
from job.errors import DataError
from job.stop import StopFlag

ENDINGS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
HIDDEN: Final = "."  # as notebooks and the copies of macOS name what is no picture
CHANNELS: Final = 3
LIMIT_PIXEL_BYTES: Final = 2**34  # of both splits; they stay on the device while it trains


def read(side: int, *, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
    """The pictures below `data_dir` as pixels (N, 3, side, side); classes are the folders' names.

    What is hidden, its name begins with a dot, is passed over. Nothing is fetched, `offline` or
    not. Raises `DataError` for a folder that is missing, classes that differ, that nothing shows
    or that no record can name, and pictures that cannot be read or are too many;
    `InterruptedRunError` after a `stop`.
    """
    del offline
    stop = stop or StopFlag()
    classes = _folders(data_dir / "train")
    _require_known(_folders(data_dir / "test"), classes, data_dir)
    files = {split: _files(data_dir / split, classes) for split in ("train", "test")}
    _require_taught(files["train"], classes, data_dir)
    _require_room(sum(map(len, files.values())), side)
    (train, train_labels), (test, test_labels) = (
        _load(listed, side, stop) for listed in files.values()
    )
    arrays = {"train": train, "test": test}
    return Dataset(
        name="image-folder",
        classes=tuple(classes),
        train_images=train,
        train_labels=train_labels,
        test_images=test,
        test_labels=test_labels,
        digests={name: hashlib.sha256(pixels.data).hexdigest() for name, pixels in arrays.items()},
        folder=data_dir,
    )


def _folders(split: Path) -> list[str]:
    try:
        folders = (each for each in split.iterdir() if each.is_dir())
        classes = sorted(each.name for each in folders if not each.name.startswith(HIDDEN))
    except OSError as error:
        raise _unusable(f"{split}: {error.strerror}") from error
    if not classes:
        raise _unusable(f"{split} has no folder, and so no class")
    for name in classes:
        _require_utf8(split, name)
    return classes


def _require_utf8(split: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:  # the record, which is UTF-8, has the classes by name
        raise _unusable(f"{split} has the folder {name!a}, whose name is no UTF-8") from error


def _require_known(tested: list[str], classes: list[str], data_dir: Path) -> None:
    if strange := sorted(set(tested) - set(classes)):
        raise _unusable(f"{data_dir} has {', '.join(strange)} in test and not in train")


def _files(split: Path, classes: list[str]) -> list[tuple[Path, int]]:
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((split / name).glob("*"))
        if path.suffix.lower() in ENDINGS and not path.name.startswith(HIDDEN)
    ]
    if not files:
        raise _unusable(f"{split} has no picture")
    return files


def _require_taught(files: list[tuple[Path, int]], classes: list[str], data_dir: Path) -> None:
    taught = {label for _, label in files}
    if empty := [name for label, name in enumerate(classes) if label not in taught]:
        raise _unusable(f"{data_dir / 'train'} has no picture of {', '.join(empty)}")


def _require_room(pictures: int, side: int) -> None:
    needed = pictures * CHANNELS * side * side
    if needed > LIMIT_PIXEL_BYTES:
        raise DataError(
            f"{pictures} pictures of {side} pixels a side take {needed} bytes",
            allowed=f"{LIMIT_PIXEL_BYTES} bytes",
            fix="lower JOB_IMAGE_SIZE, or take fewer pictures",
        )


def _load(
    files: list[tuple[Path, int]], side: int, stop: StopFlag
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels = np.empty((len(files), CHANNELS, side, side), np.uint8)
    for number, (path, _) in enumerate(files):
        refuse_if_stopped(stop, "the pictures were read")
        square = picture.read(path, lambda image: picture.as_colour(image, (side, side)))
        pixels[number] = np.asarray(square).transpose(2, 0, 1)
    return pixels, np.array([label for _, label in files])


def _unusable(seen: str) -> DataError:
    return DataError(
        seen,
        allowed=f"train/CLASS/ and test/CLASS/ with pictures ({', '.join(sorted(ENDINGS))})",
        fix="set JOB_DATA_DIR to the folder that has train and test",
    )
