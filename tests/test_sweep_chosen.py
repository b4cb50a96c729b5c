"""Claims about `job.sweep.chosen`: which settings the points have, and which point this is."""

import json
from pathlib import Path

import pytest

from job.errors import SettingsError
from job.settings import Settings, load
from job.sweep.chosen import FILE, keep, plan_of, this_point
from sweep_files import make_plan, write_sweep


def test_each_point_has_its_settings_and_its_folder(tmp_path: Path) -> None:
    """And the record says where they came from."""
    plan = make_plan(tmp_path, "--seed", "7")

    assert [run.learning_rate for run in plan.runs] == [0.1, 0.2, 0.3]
    assert [run.output_dir.name for run in plan.runs] == [
        "0000-learning-rate-0.1",
        "0001-learning-rate-0.2",
        "0002-learning-rate-0.3",
    ]
    for index, run in enumerate(plan.runs):
        assert (run.seed, run.epochs, run.sweep_index) == (7, 1, index)
        assert run.origins["learning_rate"] == run.origins["output_dir"] == "sweep"
        assert run.origins["seed"] == "flag"


def test_index_of_an_array_chooses_the_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scheduler says it in the environment, and so does the record."""
    settings = load(Settings, ["--sweep", str(write_sweep(tmp_path))], "job")
    assert this_point(settings, [], "job") is None

    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    point = this_point(settings, [], "job")
    assert point is not None
    assert (point.learning_rate, point.sweep_index) == (0.3, 2)
    assert point.origins["sweep_index"] == "environment"


def test_index_beyond_the_points_is_refused(tmp_path: Path) -> None:
    """An array that is too long says so, and what there is."""
    flags = ["--sweep", str(write_sweep(tmp_path)), "--sweep-index", "3"]
    settings = load(Settings, flags, "job")

    with pytest.raises(SettingsError, match="point 3") as caught:
        this_point(settings, flags, "job")
    assert (caught.value.allowed, caught.value.exit_code) == ("0 to 2", 78)


def test_one_bad_point_stops_the_sweep_before_the_first_is_trained(tmp_path: Path) -> None:
    """Whichever point this process is."""
    path = write_sweep(tmp_path, 'method="grid"\n[settings]\nepochs=[1, 2, -3]')
    settings = load(Settings, ["--sweep", str(path), "--sweep-index", "0"], "job")

    with pytest.raises(SettingsError, match="point 2: epochs=-3"):
        this_point(settings, [], "job")


def test_plan_without_a_sweep_is_refused() -> None:
    """With the variable that is missing."""
    with pytest.raises(SettingsError, match="no sweep") as caught:
        plan_of(Settings(), [], "job")
    assert "JOB_SWEEP" in caught.value.fix


def test_point_is_kept_in_its_folder_and_written_once(tmp_path: Path) -> None:
    """For the comparison; the ranks and attempts of a point leave what is there already."""
    run = make_plan(tmp_path).runs[1]
    keep(run)
    path = run.output_dir / FILE
    before = path.stat().st_ino
    keep(run)

    assert path.stat().st_ino == before
    assert json.loads(path.read_text())["settings"] == run.training_values()
    path.write_text("torn")
    keep(run)
    assert json.loads(path.read_text())["index"] == 1


def test_point_keeps_what_was_swept_beside_the_training(tmp_path: Path) -> None:
    """The comparison shows it then; where a run lies is nothing that a sweep has chosen."""
    text = 'method="grid"\n[settings]\ndata_dir=["a", "b"]'
    run = make_plan(tmp_path, text=text).runs[1]
    keep(run)
    kept = json.loads((run.output_dir / FILE).read_text())["settings"]

    assert kept == run.training_values() | {"data_dir": "b"}
