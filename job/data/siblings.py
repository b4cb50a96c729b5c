"""MNIST and its siblings: IDX files as Fashion-MNIST's, by torchvision's addresses and MD5 sums.

torchvision's own reader is not used: it trusts files that it has unpacked once, and its download
waits for a silent mirror forever. A packed file counts only with torchvision's MD5; a raw one has
none, and is held to its shape.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from job.data import idx
from job.data.dataset import Dataset
from job.data.download import Published, download, locked, storage_errors
from job.data.packed import PACKED_SUFFIX, require_md5, unpacked
from job.errors import DataError
from job.files import make_folder, write_bytes
from job.reading import read_bounded
from job.stop import StopFlag

EMNIST: Final = "emnist"
# The one that the paper compares on: as many images of each of its 47 classes.
DEFAULT_SPLIT: Final = "balanced"
IMAGE_SHAPE: Final = (28, 28)
LIMIT_BYTES: Final = 2**30  # EMNIST's zip has 562 MB, its largest file unpacked 547 MB

# QMNIST tells eight things of each image, first the digit.
LABEL_DIMENSIONS: Final = {"qmnist": 2}


@dataclass(frozen=True)
class Sibling:
    """A dataset by the class of torchvision that knows it.

    `files` are its four names, unpacked: training before test, images before labels; `published`
    has address and MD5 of each as it is packed, or is empty where all are in one `archive`.
    """

    kind: Any
    classes: tuple[str, ...]
    files: tuple[str, str, str, str]
    published: dict[str, tuple[list[str], str]]
    archive: tuple[str, str] | None = None


def read(name: str, *, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
    """The dataset called `name`, from `data_dir` or fetched into it if need be and allowed.

    Raises `DataError` for a bad file, or with every place that was tried if none has the files, and
    `InterruptedRunError` if a `stop` came while they were fetched.
    """
    sibling = known(name)
    places = [data_dir, data_dir / sibling.kind.__name__ / "raw"]
    folder = next((place for place in places if not _missing(sibling, place)), None)
    if folder is None:
        if offline:
            raise _nowhere(name, sibling, places, "the network: JOB_DATA_OFFLINE=true")
        try:
            _fetch(sibling, data_dir, stop or StopFlag())
        except DataError as error:
            raise _nowhere(name, sibling, places, error.seen) from error
        folder = data_dir
    return _read_folder(name, sibling, folder)


def known(name: str) -> Sibling:
    """What torchvision knows of the dataset called `name`."""
    from torchvision import datasets  # noqa: PLC0415  # it takes two seconds

    if name.startswith(EMNIST):
        return _emnist(datasets.EMNIST, name.removeprefix(EMNIST).lstrip("-") or DEFAULT_SPLIT)
    if name == "qmnist":
        addresses = [
            pair for split in ("train", "test") for pair in datasets.QMNIST.resources[split]
        ]
        published = {_unpacked_name(url): ([url], md5) for url, md5 in addresses}
        return _sibling(datasets.QMNIST, datasets.MNIST.classes, published)
    kind = {"mnist": datasets.MNIST, "kmnist": datasets.KMNIST}[name]
    published = {
        _unpacked_name(file): ([mirror + file for mirror in kind.mirrors], md5)
        for file, md5 in kind.resources
    }
    return _sibling(kind, kind.classes, published)


def _sibling(kind: Any, classes: list[str], published: dict[str, tuple[list[str], str]]) -> Sibling:
    first, second, third, fourth = published
    return Sibling(kind, tuple(classes), (first, second, third, fourth), published)


def _emnist(kind: Any, split: str) -> Sibling:
    train, test = (f"emnist-{split}-{part}" for part in ("train", "test"))
    files = (
        f"{train}-images-idx3-ubyte",
        f"{train}-labels-idx1-ubyte",
        f"{test}-images-idx3-ubyte",
        f"{test}-labels-idx1-ubyte",
    )
    return Sibling(kind, tuple(kind.classes_split_dict[split]), files, {}, (kind.url, kind.md5))


def _unpacked_name(address: str) -> str:
    return address.rsplit("/", 1)[-1].removesuffix(PACKED_SUFFIX)


def _located(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / (name + PACKED_SUFFIX))
    return next((path for path in candidates if path.exists()), None)


def _missing(sibling: Sibling, folder: Path) -> list[str]:
    return [name for name in sibling.files if _located(folder, name) is None]


def _fetch(sibling: Sibling, data_dir: Path, stop: StopFlag) -> None:
    with storage_errors(data_dir):
        make_folder(data_dir)
        with locked(data_dir, stop):
            missing = _missing(sibling, data_dir)
            for name, packed in _downloaded(sibling, missing, stop):
                write_bytes(data_dir / (name + PACKED_SUFFIX), packed)


def _downloaded(
    sibling: Sibling, missing: list[str], stop: StopFlag
) -> Iterator[tuple[str, bytes]]:
    if sibling.archive is None:
        for name in missing:
            urls, md5 = sibling.published[name]
            yield name, download(_with_md5(urls, md5), stop)
    elif missing:
        url, md5 = sibling.archive
        with zipfile.ZipFile(io.BytesIO(download(_with_md5([url], md5), stop))) as archive:
            for name in missing:
                yield name, archive.read(f"gzip/{name}{PACKED_SUFFIX}")


def _with_md5(urls: list[str], md5: str) -> Published:
    def verify(data: bytes, origin: str) -> None:
        require_md5(data, md5, origin)

    return Published(urls, LIMIT_BYTES, verify)


def _read_folder(name: str, sibling: Sibling, folder: Path) -> Dataset:
    paths = [_located(folder, file) or folder / file for file in sibling.files]
    raw = [_read_file(path, sibling) for path in paths]
    train, test = (_split(name, sibling, raw[at : at + 2], paths[at : at + 2]) for at in (0, 2))
    return Dataset(
        name=name,
        classes=sibling.classes,
        train_images=train[0],
        train_labels=train[1],
        test_images=test[0],
        test_labels=test[1],
        digests=dict(zip(sibling.files, map(_sha256, raw), strict=True)),
        folder=folder,
    )


def _read_file(path: Path, sibling: Sibling) -> bytes:
    try:
        data = read_bounded(path, LIMIT_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix != PACKED_SUFFIX:
        return data
    if path.stem in sibling.published:
        require_md5(data, sibling.published[path.stem][1], str(path))
    return unpacked(data, LIMIT_BYTES, str(path))


def _split(
    name: str, sibling: Sibling, raw: list[bytes], paths: list[Path]
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]:
    images = idx.decode_any(raw[0], 3, str(paths[0])).astype(np.uint8, copy=False)
    labels = idx.decode_any(raw[1], LABEL_DIMENSIONS.get(name, 1), str(paths[1]))
    labels = labels if labels.ndim == 1 else labels[:, 0]
    if images.shape[1:] != IMAGE_SHAPE:
        raise DataError(f"{paths[0]} has images of {images.shape[1:]}", allowed=str(IMAGE_SHAPE))
    if name.startswith(EMNIST):  # its authors wrote the columns as rows
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    if len(images) != len(labels) or labels.min(initial=0) < 0:
        raise DataError(f"{paths[1]} has {len(labels)} labels for {len(images)} images")
    if labels.max(initial=0) >= len(sibling.classes):
        raise DataError(
            f"{paths[1]} has the label {labels.max()} of {len(sibling.classes)} classes"
        )
    return images, labels


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _nowhere(name: str, sibling: Sibling, places: list[Path], network: str) -> DataError:
    tried = [f"{place}: lacks {', '.join(_missing(sibling, place))}" for place in places]
    return DataError(
        "\n".join([f"{name} was found nowhere:", *tried, network]),
        allowed=f"{', '.join(sibling.files)}; raw or .gz, all in one folder",
        fix="set JOB_DATA_DIR to a folder that has the files, or JOB_DATA_OFFLINE=false",
    )
