"""The rivals do the same mathematics as the job, so that only their speed differs."""

from pathlib import Path

import contenders
import pytest
import rivals
from contenders import second_epoch

from job.data import source
from job.data.dataset import Dataset
from job.data.spec import DatasetSpec


@pytest.fixture
def dataset(small_data: tuple[Path, DatasetSpec]) -> Dataset:
    """The small dataset."""
    folder, spec = small_data
    return source.read(spec, data_dir=folder, offline=True)


def test_loop_over_a_tensor_dataset_is_the_jobs_training(dataset: Dataset) -> None:
    """Same weights at first, same batches, same update: the same losses, up to rounding."""
    of_the_job = contenders.job_epoch("eager", dataset)
    of_the_rival = rivals.tensor_dataset(dataset)

    for number in range(2):
        assert of_the_rival(number) == pytest.approx(of_the_job(number), rel=1e-5)


def test_tutorial_needs_no_files_once_it_trains(dataset: Dataset) -> None:
    """Its pictures are in memory, and its folder is gone; it keeps its losses to itself."""
    told = second_epoch(rivals.tutorial, dataset)

    assert told.keys() == {"seconds"}
    assert told["seconds"] > 0
