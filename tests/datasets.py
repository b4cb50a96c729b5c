"""Small generated datasets in the shape of Fashion-MNIST, easy enough to learn in seconds."""

import gzip as gzip_format
import hashlib
import struct
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from job.data.spec import FASHION_MNIST, DatasetFile, DatasetSpec

Layout = Literal["flat", "torchvision"]
FOLDERS: Final[dict[Layout, Path]] = {"flat": Path(), "torchvision": Path("FashionMNIST", "raw")}
CLASSES: Final = FASHION_MNIST.classes


def small_dataset(  # noqa: PLR0913  # each has a default that nearly all tests take
    folder: Path,
    *,
    train: int = 640,
    test: int = 200,
    seed: int = 0,
    gzip: bool = True,
    layout: Layout = "flat",
) -> DatasetSpec:
    """Write four IDX files below `folder`, the same for the same arguments, and describe them.

    Each class has a pattern of bright and dark squares; an image is its pattern plus noise.
    """
    place = folder / FOLDERS[layout]
    place.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    patterns = random.integers(0, 2, (len(CLASSES), 7, 7)).repeat(4, 1).repeat(4, 2)
    train_labels, test_labels = _labels(train, random), _labels(test, random)
    return DatasetSpec(
        "small",
        CLASSES,
        _write(place / "train-images-idx3-ubyte", _images(train_labels, patterns, random), gzip),
        _write(place / "train-labels-idx1-ubyte", train_labels, gzip),
        _write(place / "t10k-images-idx3-ubyte", _images(test_labels, patterns, random), gzip),
        _write(place / "t10k-labels-idx1-ubyte", test_labels, gzip),
    )


def encode(values: NDArray[np.uint8]) -> bytes:
    """`values` as an IDX file."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 0x08, values.ndim, *values.shape)
    return header + values.tobytes()


def _labels(count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    return random.permutation(np.arange(count) % len(CLASSES)).astype(np.uint8)


def _images(
    labels: NDArray[np.uint8], patterns: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.uint8]:
    noise = random.normal(40, 25, (len(labels), 28, 28))
    return (160 * patterns[labels] + noise).clip(0, 255).astype(np.uint8)


def _write(path: Path, values: NDArray[np.uint8], gzip: bool) -> DatasetFile:
    data = encode(values)
    if gzip:
        path.with_name(path.name + ".gz").write_bytes(gzip_format.compress(data, mtime=0))
    else:
        path.write_bytes(data)
    return DatasetFile(path.name, values.shape, hashlib.sha256(data).hexdigest())
