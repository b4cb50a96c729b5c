"""Claims about `job.data.image_folder`."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from job.data import image_folder
from job.data.dataset import Dataset
from job.errors import DataError, InterruptedRunError
from job.stop import StopFlag
from other_data import FOLDER_CLASSES
from other_data import image_folder as written


def _read(folder: Path, side: int = 16) -> Dataset:
    return image_folder.read(side, data_dir=folder, offline=True)


def test_folders_are_the_classes_and_pictures_become_squares(tmp_path: Path) -> None:
    """Sorted by name, in colour, whatever the pictures' own sizes are."""
    dataset = _read(written(tmp_path))

    assert dataset.classes == FOLDER_CLASSES
    assert dataset.shape == (3, 16, 16)
    assert dataset.train_images.shape == (16, 3, 16, 16)
    assert dataset.test_labels.tolist() == [0] * 4 + [1] * 4
    for label, least in ((0, 0), (1, 150)):
        chosen = dataset.train_images[dataset.train_labels == label]
        assert least <= chosen.mean() < least + 100


def test_pixels_of_a_picture_that_fits_are_its_own(tmp_path: Path) -> None:
    """Nothing is lost where nothing has to be fitted."""
    written(tmp_path, train=1, test=1, side=16)
    expected = np.asarray(Image.open(tmp_path / "train" / "boot" / "0.png"))

    assert np.array_equal(_read(tmp_path).train_images[0].transpose(1, 2, 0), expected)


def test_digest_changes_with_a_picture(tmp_path: Path) -> None:
    """So a checkpoint of other pictures is known from its own."""
    before = _read(written(tmp_path)).digests
    Image.new("RGB", (9, 9)).save(tmp_path / "train" / "coat" / "0.png")
    after = _read(tmp_path).digests

    assert before["test"] == after["test"]
    assert before["train"] != after["train"]


def test_other_files_are_passed_over_and_torn_pictures_are_not(tmp_path: Path) -> None:
    """A note beside the pictures is none; a picture that cannot be read ends the run."""
    written(tmp_path)
    (tmp_path / "train" / "boot" / "note.txt").write_text("boots")
    assert len(_read(tmp_path).train_labels) == 16

    (tmp_path / "train" / "boot" / "0.png").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"boot/0\.png"):
        _read(tmp_path)


def test_what_is_hidden_is_passed_over(tmp_path: Path) -> None:
    """A notebook's copies are no class, and what macOS keeps of a file is no picture."""
    written(tmp_path)
    for split in ("train", "test"):
        shutil.copytree(tmp_path / split / "boot", tmp_path / split / ".ipynb_checkpoints")
        (tmp_path / split / "boot" / "._0.png").write_bytes(b"\0\5\x16\7")
    dataset = _read(tmp_path)

    assert dataset.classes == FOLDER_CLASSES
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (16, 8)


def test_class_without_a_picture_in_test_is_a_class(tmp_path: Path) -> None:
    """It can be learnt, and nothing says how well."""
    written(tmp_path)
    shutil.rmtree(tmp_path / "test" / "coat")

    assert _read(tmp_path).classes == FOLDER_CLASSES


@pytest.mark.parametrize("split", ["train", "test"])
def test_class_whose_name_is_no_utf8_is_refused(tmp_path: Path, split: str) -> None:
    """The record could not name it, which would be known after the training only."""
    written(tmp_path)
    (tmp_path / split / "boot").rename(tmp_path / split / os.fsdecode(b"caf\xe9"))

    with pytest.raises(DataError, match=f"{split} has the folder 'caf.udce9'") as caught:
        _read(tmp_path)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("missing", "cause"),
    [
        ("test", "test: No such file"),
        ("train", "train: No such file"),
        ("train/coat", "coat in test and not in train"),
        ("train/*", "train has no folder"),
        ("test/*/*.png", "test has no picture"),
        ("train/*/*.png", r"train has no picture\n"),
        ("train/coat/*.png", "train has no picture of coat"),
    ],
)
def test_folder_that_is_none_is_told(tmp_path: Path, missing: str, cause: str) -> None:
    """With what is missing, and the layout that is wanted."""
    written(tmp_path)
    for path in tmp_path.glob(missing):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(DataError, match=cause) as caught:
        _read(tmp_path)
    assert "train/CLASS/" in caught.value.allowed


def test_more_pixels_than_memory_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is a smaller side."""
    monkeypatch.setattr(image_folder, "LIMIT_PIXEL_BYTES", 24 * 3 * 16 * 16 - 1)

    with pytest.raises(DataError, match="24 pictures of 16 pixels a side"):
        _read(written(tmp_path))


def test_stop_ends_the_reading(tmp_path: Path) -> None:
    """A hundred thousand pictures take minutes."""
    stop = StopFlag()
    stop.request("SIGTERM")

    with pytest.raises(InterruptedRunError, match="SIGTERM while the pictures were read"):
        image_folder.read(16, data_dir=written(tmp_path), offline=True, stop=stop)
