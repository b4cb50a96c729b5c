"""Small real files of each kind of dataset that the job reads."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets import encode
from job.data import cifar10

CIFAR_CLASSES: Final = ("airplane", "automobile", "bird")
FOLDER_CLASSES: Final = ("boot", "coat")


def grey(count: int, classes: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random pixels (count, 28, 28), and labels that take every class in turn."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)
    return pixels, (np.arange(count) % classes).astype(np.uint8)


def idx_of_integers(values: NDArray[np.int32]) -> bytes:
    """An IDX file of 32-bit integers, as QMNIST has its labels."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 0x0C, values.ndim, *values.shape)
    return header + values.astype(">i4").tobytes()


def mnist_files(train: int = 30, test: int = 20, classes: int = 10) -> dict[str, bytes]:
    """The four files of MNIST and KMNIST, unpacked, by their names."""
    (images, labels), (tested, truth) = grey(train, classes), grey(test, classes, seed=1)
    return {
        "train-images-idx3-ubyte": encode(images),
        "train-labels-idx1-ubyte": encode(labels),
        "t10k-images-idx3-ubyte": encode(tested),
        "t10k-labels-idx1-ubyte": encode(truth),
    }


def packed(content: bytes) -> bytes:
    """The same bytes packed as the mirrors have them."""
    return gzip.compress(content, mtime=0)


def emnist_zip(split: str, files: dict[str, bytes]) -> bytes:
    """EMNIST's archive with the four files of one split, given by MNIST's names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            part = name.replace("t10k", "test")
            archive.writestr(f"gzip/emnist-{split}-{part}.gz", packed(content))
    return buffer.getvalue()


def cifar_files(records: int = 4) -> dict[str, bytes]:
    """The seven files of CIFAR-10's binary version, unpacked."""
    random = np.random.default_rng(0)
    files = {}
    for number, name in enumerate((*cifar10.TRAIN_FILES, cifar10.TEST_FILE)):
        rows = random.integers(0, 256, (records, cifar10.RECORD_BYTES), np.uint8)
        rows[:, 0] = (np.arange(records) + number) % len(CIFAR_CLASSES)
        files[name] = rows.tobytes()
    files[cifar10.NAMES_FILE] = ("\n".join(CIFAR_CLASSES) + "\n\n").encode()
    return files


def cifar_archive(files: dict[str, bytes]) -> bytes:
    """They as `cifar-10-binary.tar.gz`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image_folder(root: Path, train: int = 8, test: int = 4, side: int = 40) -> Path:
    """`train/CLASS/*.png` and `test/CLASS/*.png`, a bright class and a dark one; return `root`."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(FOLDER_CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 100, (side, side + number, 3), np.uint8) + 150 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root
