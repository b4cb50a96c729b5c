"""Claims about `job.data.cifar10`: the binary version, unpacked, packed and fetched."""

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from job.data import cifar10
from job.data.dataset import Dataset
from job.errors import DataError
from mirrors import Mirror
from other_data import CIFAR_CLASSES, cifar_archive, cifar_files


def _unpack(root: Path, files: dict[str, bytes]) -> Path:
    folder = root / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return root


def _pack(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(cifar_archive(cifar_files()))
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", md5)


def _read(folder: Path, *, offline: bool = True) -> Dataset:
    return cifar10.read(data_dir=folder, offline=offline)


def test_records_are_a_label_and_three_planes(tmp_path: Path) -> None:
    """The five files of training one after the other, and the names from their file."""
    files = cifar_files()
    dataset = _read(_unpack(tmp_path, files))

    assert dataset.classes == CIFAR_CLASSES
    assert dataset.train_images.shape == (20, 3, 32, 32)
    assert dataset.test_images.shape == (4, 3, 32, 32)
    second = files["data_batch_2.bin"]
    assert dataset.train_images[4].tobytes() == second[1 : cifar10.RECORD_BYTES]
    assert dataset.train_labels[4] == second[0]


def test_archive_holds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in place, and nothing is unpacked beside it."""
    _pack(tmp_path / "packed" / cifar10.ARCHIVE, monkeypatch)
    seen, expected = _read(tmp_path / "packed"), _read(_unpack(tmp_path, cifar_files()))

    assert np.array_equal(seen.train_images, expected.train_images)
    assert np.array_equal(seen.test_labels, expected.test_labels)
    assert len(list((tmp_path / "packed").iterdir())) == 1


def test_archive_is_fetched_from_beside_torchvisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torchvision itself takes the version of pickles, at the same place."""
    _pack(tmp_path / "mirror" / cifar10.ARCHIVE, monkeypatch)
    mirror = Mirror(tmp_path / "mirror")
    threading.Thread(target=mirror.serve_forever, daemon=True).start()
    monkeypatch.setattr(CIFAR10, "url", f"{mirror.address}cifar-10-python.tar.gz")
    try:
        assert len(_read(tmp_path / "data", offline=False).train_labels) == 20
        assert len(_read(tmp_path / "data").train_labels) == 20
    finally:
        mirror.shutdown()
        mirror.server_close()
    assert mirror.requests.total() == 1


def test_published_archive_is_the_only_one_that_counts(tmp_path: Path) -> None:
    """Its MD5 stands on the dataset's own page."""
    (tmp_path / cifar10.ARCHIVE).write_bytes(cifar_archive(cifar_files()))

    with pytest.raises(DataError, match="is altered") as caught:
        _read(tmp_path)
    assert cifar10.ARCHIVE_MD5 in caught.value.allowed


def test_nothing_is_fetched_offline(tmp_path: Path) -> None:
    """Both forms that would do are named."""
    with pytest.raises(DataError, match=f"{cifar10.ARCHIVE} nor .*{cifar10.FOLDER}"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("data_batch_3.bin", bytes(cifar10.RECORD_BYTES + 1), "data_batch_3.bin has 3074 bytes"),
        ("data_batch_3.bin", b"", "data_batch_3.bin has 0 bytes"),
        ("test_batch.bin", b"\x03" + bytes(cifar10.RECORD_BYTES - 1), "the label 3 of 3 classes"),
    ],
)
def test_unpacked_files_are_held_to_their_shape(
    tmp_path: Path, name: str, content: bytes, cause: str
) -> None:
    """They have no sum that is published."""
    with pytest.raises(DataError, match=cause):
        _read(_unpack(tmp_path, {**cifar_files(), name: content}))


def test_torn_archive_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that has the right sum."""
    (tmp_path / cifar10.ARCHIVE).write_bytes(b"torn")
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(b"torn").hexdigest())  # noqa: S324

    with pytest.raises(DataError, match="cannot be unpacked"):
        _read(tmp_path)
