"""What is on the volume is used only for the training that it is of."""

from pathlib import Path

import pytest
import torch

from job import artifacts, checkpoint
from job.checkpoint import RunState
from job.earlier import find_checkpoint, finished_run, newest_checkpoint
from job.errors import SettingsError
from job.record import SettingRecord
from job.session import CHECKPOINTS, HISTORY
from job.settings import Settings
from report_records import run_record


def test_empty_volume_has_nothing(tmp_path: Path) -> None:
    """A first attempt begins."""
    settings = Settings(output_dir=tmp_path)

    assert finished_run(settings) is None
    assert find_checkpoint(settings) is None
    assert newest_checkpoint(settings) is None


def test_checkpoint_of_the_same_training_is_found(tmp_path: Path) -> None:
    """Its folder is the newest, too."""
    settings = Settings(output_dir=tmp_path)
    folder = _save(settings)
    found = find_checkpoint(settings)

    assert found is not None
    assert found.folder == folder == newest_checkpoint(settings)


def test_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    """The setting that differs is named with both values, and nothing is lost."""
    folder = _save(Settings(output_dir=tmp_path))

    with pytest.raises(SettingsError, match=r"learning_rate is 0\.5, was 0\.001"):
        find_checkpoint(Settings(output_dir=tmp_path, learning_rate=0.5))
    assert folder.is_dir()


def test_required_checkpoint_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Who insists on going on does not want to begin."""
    with pytest.raises(SettingsError, match="JOB_RESUME=required"):
        find_checkpoint(Settings(output_dir=tmp_path, resume="required"))


@pytest.mark.parametrize("damage", ["none", "altered", "cut", "removed"])
def test_finished_run_whose_weights_are_damaged_is_not_finished(
    tmp_path: Path, damage: str
) -> None:
    """It is delivered anew from its last checkpoint, and never reported as success."""
    settings = Settings(output_dir=tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    values = settings.training_values()
    record = run_record(
        settings={
            name: SettingRecord(value=each, origin="recipe") for name, each in values.items()
        },
        artifacts=artifacts.describe(tmp_path, [weights]),
    )
    artifacts.write_record(record, tmp_path)
    if damage == "removed":
        weights.unlink()
    elif damage != "none":
        weights.write_bytes({"altered": b"Weights", "cut": b"weight"}[damage])

    assert (finished_run(settings) is None) is (damage != "none")


def test_run_anew_forgets_the_earlier_one(tmp_path: Path) -> None:
    """Record, history and checkpoints are gone before anything is written."""
    settings = Settings(output_dir=tmp_path, resume="never")
    _save(settings)
    (tmp_path / HISTORY).touch()

    assert find_checkpoint(settings) is None
    assert list(tmp_path.iterdir()) == []


def _save(settings: Settings) -> Path:
    state = RunState(
        epoch=0,
        batch=1,
        epoch_loss=0.0,
        epoch_seconds=0.0,
        history=[],
        settings=settings.training_values(),
    )
    return checkpoint.save(settings.output_dir / CHECKPOINTS, 1, state, {"w": torch.ones(2)})


def test_checkpoint_of_before_there_were_other_networks_is_the_mlps(tmp_path: Path) -> None:
    """It says nothing of a model and of data, and goes on; under another model it does not."""
    settings = Settings(output_dir=tmp_path)
    values = settings.training_values()
    for name in ("model", "model_weights", "dataset", "image_size"):
        del values[name]
    state = RunState(
        epoch=0, batch=1, epoch_loss=0.0, epoch_seconds=0.0, history=[], settings=values
    )
    checkpoint.save(tmp_path / CHECKPOINTS, 1, state, {"weight": torch.zeros(2)})

    assert find_checkpoint(settings) is not None
    with pytest.raises(SettingsError, match="model is resnet18, was mlp"):
        find_checkpoint(Settings(output_dir=tmp_path, model="resnet18"))
    with pytest.raises(SettingsError, match="dataset is mnist, was fashion-mnist"):
        find_checkpoint(Settings(output_dir=tmp_path, dataset="mnist"))
