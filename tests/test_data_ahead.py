"""A dataset that is read ahead is the dataset that would have been read."""

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from job.data import source
from job.data.ahead import ReadAhead
from job.data.dataset import Dataset
from job.data.spec import FASHION_MNIST, DatasetSpec
from job.errors import DataError
from job.stop import StopFlag

READ: Final = partial(source.read, FASHION_MNIST)


def test_dataset_read_ahead_is_the_one_that_is_there(real_data_dir: Path) -> None:
    """The same pixels and labels as without haste, and the same ones for whoever asks twice."""
    wanted = source.read(FASHION_MNIST, data_dir=real_data_dir, offline=True)
    ahead = ReadAhead(READ, data_dir=real_data_dir, offline=True)

    assert np.array_equal(ahead.dataset().train_images, wanted.train_images)
    assert np.array_equal(ahead.dataset().test_labels, wanted.test_labels)
    assert ahead.dataset() is ahead.dataset()


def test_bad_file_is_told_to_whoever_asks(tmp_path: Path, real_data_dir: Path) -> None:
    """An error of the thread is not lost, and does not come before it is asked for."""
    for path in real_data_dir.glob("*.gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:1000])
    ahead = ReadAhead(READ, data_dir=tmp_path, offline=True)

    with pytest.raises(DataError, match="idx"):
        ahead.dataset()


def test_nothing_is_fetched_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that turns out unfit has downloaded nothing."""
    fetched: list[Path] = []
    asked = StopFlag()

    def fetch(_spec: DatasetSpec, folder: Path, *, stop: StopFlag) -> None:
        assert stop is asked
        fetched.append(folder)
        raise DataError("the mirror is closed")

    monkeypatch.setattr(source, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(source, "fetch", fetch)
    ahead = ReadAhead(READ, data_dir=tmp_path, offline=False, stop=asked)
    ahead._thread.join()
    assert not fetched

    with pytest.raises(DataError, match="mirror is closed"):
        ahead.dataset()
    assert fetched == [tmp_path]


def test_what_may_not_be_read_ahead_is_read_when_it_is_asked_for() -> None:
    """Code that imports would do so beside the main thread's imports."""
    asked: list[bool] = []

    def read(*, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
        asked.append(offline)
        raise DataError(f"nothing in {data_dir}, {stop}")

    ahead = ReadAhead(read, data_dir=Path("here"), offline=True, at_once=False)
    assert not asked
    with pytest.raises(DataError, match="nothing in here"):
        ahead.dataset()
    assert asked == [True]
