"""Claims about `job.settings.others`."""

from pathlib import Path

from job.settings import CompareSettings, Settings, SweepSettings, load


def test_sweep_takes_every_setting_of_a_run() -> None:
    """And one more, which no run has."""
    settings = load(SweepSettings, ["--plan", "--epochs", "3"], "job")

    assert (settings.plan, settings.epochs) == (True, 3)
    assert SweepSettings.model_fields.keys() - Settings.model_fields.keys() == {"plan"}


def test_folders_to_compare_are_what_is_no_flag() -> None:
    """As a shell's `runs/*` gives them."""
    settings = load(CompareSettings, ["a", "b", "--csv", "c"], "job")

    assert settings.runs == [Path("a"), Path("b")]
    assert settings.csv == Path("c")


def test_folder_of_a_run_is_compared_where_none_is_named() -> None:
    """The one that a run takes by default."""
    assert load(CompareSettings, [], "job").runs == [Settings().output_dir]
