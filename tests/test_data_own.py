"""Claims about `job.data.own`: what a function of the user's may return."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from job.data import own
from job.data.dataset import Dataset
from job.data.own import Images
from job.errors import SettingsError

LABELS = np.arange(6) % 3
returned: Any = None


def load(data_dir: Path) -> Any:
    """What this test wants a user's function to return."""
    return returned(data_dir) if callable(returned) else returned


def _images(pixels: Any, **changes: Any) -> Images:
    parts: dict[str, Any] = {
        "classes": ["a", "b", "c"],
        "train_images": pixels,
        "train_labels": LABELS,
        "test_images": pixels[:2],
        "test_labels": LABELS[:2],
    }
    return Images(**{**parts, **changes})


def _pixels(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _read(monkeypatch: pytest.MonkeyPatch, value: Any) -> Dataset:
    monkeypatch.setattr("test_data_own.returned", value)
    return own.read("test_data_own:load", data_dir=Path("here"), offline=True)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 9, 8), (1, 9, 8)),
        ((6, 3, 9, 8), (3, 9, 8)),
        ((6, 9, 8, 3), (3, 9, 8)),
        ((6, 1, 9, 8), (1, 9, 8)),
    ],
)
def test_grey_and_colour_are_taken_with_channels_first_or_last(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Inside the job channels come first."""
    pixels = _pixels(*shape)
    dataset = _read(monkeypatch, _images(pixels))

    assert dataset.shape == expected
    same = pixels.transpose(0, 3, 1, 2) if shape[-1] == 3 else pixels
    assert np.array_equal(dataset.train_images, same)
    assert dataset.classes == ("a", "b", "c")


def test_function_is_told_the_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    """`JOB_DATA_DIR` is where its files are."""
    told = []

    def answer(data_dir: Path) -> Images:
        told.append(data_dir)
        return _images(_pixels(6, 4, 4))

    _read(monkeypatch, answer)
    assert told == [Path("here")]


def test_digests_are_of_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a run is not continued on other data by accident."""
    pixels = _pixels(6, 4, 4)
    before = _read(monkeypatch, _images(pixels)).digests
    after = _read(monkeypatch, _images(pixels, train_labels=LABELS[::-1].copy())).digests

    assert [name for name in before if before[name] != after[name]] == ["train_labels"]


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (5, "returns int"),
        (_images(_pixels(6, 4, 4).astype(np.float32)), "float32, where uint8 is read"),
        (_images(_pixels(6, 9, 8, 7)), r"images of the shape \(6, 9, 8, 7\)"),
        (_images(_pixels(6, 9)), r"images of the shape \(6, 9\)"),
        (_images(_pixels(6, 4, 4), test_images=_pixels(2, 5, 4)), r"\(5, 4\) for test"),
        (_images(_pixels(6, 4, 4), train_labels=LABELS[:5]), r"\(5,\) for 6 images"),
        (_images(_pixels(6, 4, 4), train_labels=LABELS / 2), "labels are float64"),
        (_images(_pixels(6, 4, 4), classes=["a", "b"]), "labels are 0 to 2 for 2 classes"),
        (_images(_pixels(0, 4, 4)), r"\(0, 4, 4\), and no pixels"),
        (_images(_pixels(6, 0, 8, 8)), r"\(6, 0, 8, 8\), and no pixels"),
        (_images(_pixels(6, 0, 8)), r"\(6, 0, 8\), and no pixels"),
        (_images(_pixels(6, 4, 4), train_images=np.uint8(5)), r"images of the shape \(\)"),
        (_images(_pixels(6, 4, 4), train_images=[[1], [1, 2]]), "images are no array"),
        (_images(_pixels(6, 4, 4), test_images=None), "images of object"),
        (_images(_pixels(6, 4, 4), train_labels=[[1], [1, 2]]), "labels are no array"),
        (_images(_pixels(6, 4, 4), test_labels=np.int64(1)), r"int64 \(\) for 2 images"),
        (_images(_pixels(6, 4, 4), classes=[0, 1, 2]), r"classes are \[0, 1, 2\]"),
        (_images(_pixels(6, 4, 4), classes=None), "classes are None"),
        (_images(_pixels(6, 4, 4), classes=5), "classes are 5"),
        (_images(_pixels(6, 4, 4), classes="abc"), "classes are 'abc'"),
        (_images(_pixels(6, 4, 4), classes=[]), r"classes are \[\]"),
        (_images(_pixels(6, 4, 4), classes=["a", "b", "\udce9"]), "which are no texts"),
    ],
)
def test_unsound_data_are_a_settings_error(
    monkeypatch: pytest.MonkeyPatch, value: Any, cause: str
) -> None:
    """It is the function that is wrong, and the setting names it."""
    with pytest.raises(SettingsError, match=cause) as caught:
        _read(monkeypatch, value)

    assert caught.value.seen.startswith("JOB_DATASET=test_data_own:load: ")
