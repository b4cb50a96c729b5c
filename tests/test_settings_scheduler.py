"""Claims about `job.settings.scheduler`: which point of a sweep this process is."""

from pathlib import Path

import pytest

from job.errors import SettingsError
from job.settings import Settings
from job.settings.scheduler import sweep_index

SWEEP = Path("sweep.toml")
BOTH = {"SLURM_ARRAY_TASK_ID": "3", "JOB_COMPLETION_INDEX": "4"}


def test_setting_beats_slurm_beats_kubernetes() -> None:
    """The one that was said on purpose counts."""
    assert sweep_index(Settings(sweep=SWEEP, sweep_index=0), BOTH) == 0
    assert sweep_index(Settings(sweep=SWEEP), BOTH) == 3
    assert sweep_index(Settings(sweep=SWEEP), {"JOB_COMPLETION_INDEX": "4"}) == 4


def test_process_outside_of_an_array_is_no_point() -> None:
    """Then all of them may be meant."""
    assert sweep_index(Settings(sweep=SWEEP), {"SLURM_ARRAY_TASK_ID": ""}) is None


@pytest.mark.parametrize("text", ["-1", "1.0", "all", "٣x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """The variable is named."""
    with pytest.raises(SettingsError, match="SLURM_ARRAY_TASK_ID") as caught:
        sweep_index(Settings(sweep=SWEEP), {"SLURM_ARRAY_TASK_ID": text})
    assert caught.value.exit_code == 78


def test_index_of_a_job_is_not_point_and_node_at_once() -> None:
    """A sweep of runs on several nodes needs a Job for each point, and says so."""
    settings = Settings(sweep=SWEEP, nodes=2)

    with pytest.raises(SettingsError, match="JOB_NODES=2") as caught:
        sweep_index(settings, {"JOB_COMPLETION_INDEX": "1"})
    assert "JOB_SWEEP_INDEX" in caught.value.fix
    assert sweep_index(settings, {"SLURM_ARRAY_TASK_ID": "1"}) == 1
    of_a_point = Settings(sweep=SWEEP, sweep_index=5, nodes=2)
    assert sweep_index(of_a_point, {"JOB_COMPLETION_INDEX": "1"}) == 5


def test_index_without_a_sweep_is_refused() -> None:
    """It would be ignored in silence."""
    with pytest.raises(ValueError, match="JOB_SWEEP_INDEX needs JOB_SWEEP"):
        Settings(sweep_index=1)
