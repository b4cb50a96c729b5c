"""A dataset of the user's: a function named by `JOB_DATASET` that returns `Images`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from job import own_code
from job.data.dataset import Dataset
from job.errors import SettingsError
from job.stop import StopFlag

VARIABLE: Final = "JOB_DATASET"
GREY_DIMENSIONS: Final = 3
COLOUR_DIMENSIONS: Final = 4
MOST_CHANNELS: Final = 4
ALLOWED: Final = "a job.data.own.Images, as docs/bring-your-own.md has it"


@dataclass(frozen=True, eq=False)
class Images:
    """What the function returns: pixels uint8, integer labels that index `classes`.

    Pixels are (N, H, W) if grey, else (N, C, H, W) or (N, H, W, C) with one to four channels; all
    images of both splits have one size. Labels are (N,).
    """

    classes: Sequence[str]
    train_images: ArrayLike
    train_labels: ArrayLike
    test_images: ArrayLike
    test_labels: ArrayLike


def read(name: str, *, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
    """What the function called `name` returns when it is called with `data_dir=`.

    Raises `SettingsError` for a function that cannot be found, that raises, or that returns
    anything else than sound `Images`. It is not told of `offline` and `stop`.
    """
    del offline, stop
    given = own_code.call(VARIABLE, name, data_dir=data_dir)
    if not isinstance(given, Images):
        raise _refusal(name, f"returns {type(given).__name__}")
    classes = _classes(name, given.classes)
    train, test = (_pixels(name, each) for each in (given.train_images, given.test_images))
    if train.shape[1:] != test.shape[1:]:
        raise _refusal(
            name, f"images are {train.shape[1:]} for training, {test.shape[1:]} for test"
        )
    train_labels = _labels(name, given.train_labels, train, classes)
    test_labels = _labels(name, given.test_labels, test, classes)
    arrays: dict[str, NDArray[Any]] = {"train_images": train, "train_labels": train_labels}
    arrays |= {"test_images": test, "test_labels": test_labels}
    return Dataset(
        name=name,
        classes=classes,
        train_images=train,
        train_labels=train_labels,
        test_images=test,
        test_labels=test_labels,
        digests={key: _sha256(array) for key, array in arrays.items()},
        folder=data_dir,
    )


def _classes(name: str, given: Any) -> tuple[str, ...]:
    try:
        classes = () if isinstance(given, str) else tuple(given)
        for each in classes:
            str.encode(each)  # the record, which is UTF-8, has them all
    except Exception as error:
        raise _refusal(name, f"classes are {given!r}, which are no texts") from error
    if not classes:
        raise _refusal(name, f"classes are {given!r}, where names are read")
    return tuple(map(str, classes))


def _array(name: str, what: str, given: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except Exception as error:
        # Whatever it is, it makes an array of itself or fails in its own way.
        raise _refusal(name, f"{what} are no array: {error}") from error


def _pixels(name: str, given: ArrayLike) -> NDArray[np.uint8]:
    pixels = _array(name, "images", given)
    if pixels.dtype != np.uint8:
        raise _refusal(name, f"images of {pixels.dtype}, where uint8 is read")
    if 0 in pixels.shape:
        raise _refusal(name, f"images of the shape {pixels.shape}, and no pixels")
    if pixels.ndim == GREY_DIMENSIONS:
        return pixels
    if pixels.ndim == COLOUR_DIMENSIONS and pixels.shape[1] <= MOST_CHANNELS:
        return pixels
    if pixels.ndim == COLOUR_DIMENSIONS and pixels.shape[3] <= MOST_CHANNELS:
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    raise _refusal(name, f"images of the shape {pixels.shape}")


def _labels(
    name: str, given: ArrayLike, images: NDArray[np.uint8], classes: Sequence[str]
) -> NDArray[np.integer[Any]]:
    labels = _array(name, "labels", given)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise _refusal(name, f"labels are {labels.dtype} {labels.shape} for {len(images)} images")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise _refusal(
            name, f"labels are {labels.min()} to {labels.max()} for {len(classes)} classes"
        )
    return labels


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def _refusal(name: str, cause: str) -> SettingsError:
    return own_code.refusal(VARIABLE, name, cause, ALLOWED)
