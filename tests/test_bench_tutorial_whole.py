"""The quickstart as a script does the job's work, so that their times can be compared."""

import json
from pathlib import Path

import programs
import pytest
import torch
from programs import SAME_FILES

from datasets import small_dataset
from job import weights
from job.data import source


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script leaves after ten epochs over the small dataset, whose folder is `data`."""
    folder = tmp_path_factory.mktemp("script")
    small_dataset(folder / "data", gzip=False, layout="torchvision")
    script = programs.ROOT / "bench" / "tutorial_whole.py"
    programs.finish("script", [str(script), str(folder / "data"), str(folder / "output")])
    return folder / "output"


def test_script_leaves_the_same_files(left: Path) -> None:
    """Weights in three formats, two pictures, and the numbers."""
    assert [name for name in SAME_FILES if not (left / name).exists()] == []


def test_its_weights_are_the_same_in_each_format(left: Path) -> None:
    """The job could go on with any of them."""
    states = [
        weights.read(left / f"model.{end}").state_dict() for end in ("pth", "safetensors", "pt2")
    ]

    for name, value in states[0].items():
        assert all(torch.equal(state[name], value) for state in states[1:])


def test_its_numbers_are_those_of_its_weights(left: Path, tmp_path: Path) -> None:
    """Ten epochs, and a confusion matrix over every test image that agrees with the accuracy."""
    record = json.loads((left / "metrics.json").read_text())
    spec = small_dataset(tmp_path)
    dataset = source.read(spec, data_dir=tmp_path, offline=True)
    confusion = torch.tensor(record["confusion"])

    assert len(record["history"]) == 10
    assert int(confusion.sum()) == len(dataset.test_labels)
    assert int(confusion.trace()) / len(dataset.test_labels) == pytest.approx(record["accuracy"])
