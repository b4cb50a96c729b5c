"""Claims about `job.data.siblings`: small real files of each sibling, from here and a mirror."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from datasets import encode
from job.data import siblings
from job.data.dataset import Dataset
from job.errors import DataError
from mirrors import Mirror
from other_data import emnist_zip, grey, idx_of_integers, mnist_files, packed


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror on this machine; what it serves lies in `tmp_path / "mirror"`."""
    (tmp_path / "mirror").mkdir()
    server = Mirror(tmp_path / "mirror")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def _read(name: str, folder: Path, *, offline: bool = True) -> Dataset:
    return siblings.read(name, data_dir=folder, offline=offline)


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("kmnist", "KMNIST")])
@pytest.mark.parametrize("layout", ["flat", "torchvision"])
def test_raw_files_are_read_from_both_layouts(
    tmp_path: Path, name: str, kind: str, layout: str
) -> None:
    """Pixels and labels are those of the files; class names are torchvision's."""
    _write(tmp_path if layout == "flat" else tmp_path / kind / "raw", mnist_files())
    dataset = _read(name, tmp_path)

    assert np.array_equal(dataset.train_images, grey(30, 10)[0])
    assert np.array_equal(dataset.test_labels, grey(20, 10)[1])
    assert dataset.classes == tuple(getattr(datasets, kind).classes)
    assert dataset.digests["train-images-idx3-ubyte"] == (
        hashlib.sha256(mnist_files()["train-images-idx3-ubyte"]).hexdigest()
    )


def test_qmnists_labels_are_the_first_of_eight(tmp_path: Path) -> None:
    """They are 32-bit integers, the highest byte first."""
    (images, labels), (tested, truth) = grey(30, 10), grey(20, 10, seed=1)
    raw = mnist_files()
    wide = [np.repeat(each[:, None].astype(np.int32), 8, 1) for each in (labels, truth)]
    for each in wide:
        each[:, 1:] = 70_000
    _write(
        tmp_path,
        {
            "qmnist-train-images-idx3-ubyte": raw["train-images-idx3-ubyte"],
            "qmnist-train-labels-idx2-int": idx_of_integers(wide[0]),
            "qmnist-test-images-idx3-ubyte": raw["t10k-images-idx3-ubyte"],
            "qmnist-test-labels-idx2-int": idx_of_integers(wide[1]),
        },
    )
    dataset = _read("qmnist", tmp_path)

    assert np.array_equal(dataset.train_images, images)
    assert np.array_equal(dataset.test_images, tested)
    assert dataset.train_labels.tolist() == labels.tolist()
    assert dataset.test_labels.tolist() == truth.tolist()


@pytest.mark.parametrize(("name", "classes"), [("emnist-balanced", 47), ("emnist-letters", 27)])
def test_emnist_is_taken_from_its_archive_and_turned_upright(
    tmp_path: Path,
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    classes: int,
) -> None:
    """Its files have rows and columns exchanged, which torchvision undoes, too."""
    archive = emnist_zip(name.removeprefix("emnist-"), mnist_files(classes=classes))
    (mirror.folder / "gzip.zip").write_bytes(archive)
    monkeypatch.setattr(datasets.EMNIST, "url", f"{mirror.address}gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", _md5(archive))
    dataset = _read(name, tmp_path / "data", offline=False)

    assert np.array_equal(dataset.train_images, grey(30, classes)[0].transpose(0, 2, 1))
    assert len(dataset.classes) == classes
    again = _read(name, tmp_path / "data")
    assert np.array_equal(again.test_images, dataset.test_images)
    assert mirror.requests.total() == 1


def test_missing_files_are_fetched_once_and_checked(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By torchvision's addresses and MD5 sums; the packed files are kept."""
    files = {f"{name}.gz": packed(content) for name, content in mnist_files().items()}
    _write(mirror.folder, files)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [mirror.address])
    monkeypatch.setattr(
        datasets.MNIST, "resources", [(name, _md5(content)) for name, content in files.items()]
    )

    assert len(_read("mnist", tmp_path / "data", offline=False).train_labels) == 30
    assert len(_read("mnist", tmp_path / "data").train_labels) == 30
    assert mirror.requests.total() == 4

    name = next(iter(files))
    (tmp_path / "data" / name).write_bytes(packed(mnist_files(train=31)[name.removesuffix(".gz")]))
    with pytest.raises(DataError, match=f"{name} is altered"):
        _read("mnist", tmp_path / "data")


def test_altered_download_is_not_kept(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that sends something else has failed, and its address is told."""
    _write(mirror.folder, {f"{name}.gz": packed(each) for name, each in mnist_files().items()})
    monkeypatch.setattr(datasets.MNIST, "mirrors", [mirror.address])

    with pytest.raises(DataError, match=f"{mirror.address}.* is altered"):
        _read("mnist", tmp_path / "data", offline=False)
    assert not list((tmp_path / "data").glob("*.gz"))


def test_nothing_is_fetched_offline(tmp_path: Path) -> None:
    """Every place is named, and what it lacks."""
    with pytest.raises(DataError, match="mnist was found nowhere") as caught:
        _read("mnist", tmp_path)

    assert f"{tmp_path / 'MNIST' / 'raw'}: lacks train-images-idx3-ubyte" in caught.value.seen
    assert "JOB_DATA_OFFLINE=true" in caught.value.seen


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("train-labels-idx1-ubyte", mnist_files(train=29)["train-labels-idx1-ubyte"], "29 labels"),
        ("train-labels-idx1-ubyte", mnist_files(classes=12)["train-labels-idx1-ubyte"], "label 11"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03", "ends within its header"),
        ("t10k-images-idx3-ubyte", mnist_files()["t10k-images-idx3-ubyte"][:-1], "is truncated"),
        ("t10k-images-idx3-ubyte", b"words", "begins with"),
        ("t10k-images-idx3-ubyte", encode(np.zeros((20, 20, 20), np.uint8)), r"\(20, 20\)"),
        ("train-images-idx3-ubyte", encode(np.zeros((30, 28, 27), np.uint8)), r"\(28, 27\)"),
    ],
)
def test_raw_files_are_held_to_their_shape(
    tmp_path: Path, name: str, content: bytes, cause: str
) -> None:
    """They have no sum that is published, and must agree with each other."""
    _write(tmp_path, {**mnist_files(), name: content})

    with pytest.raises(DataError, match=cause) as caught:
        _read("mnist", tmp_path)
    assert name in caught.value.seen
