"""slurm/sweep.sh on a real cluster: an array trains the points of a sweep, each a folder."""

import json
from typing import Final

import pytest

from slurm_job import Job, submit
from slurm_user import User

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.timeout(900)

RATES: Final = (0.05, 0.1)
SWEEP: Final = f"""
method = "list"
[[points]]
learning_rate = {RATES[0]}
[[points]]
learning_rate = {RATES[1]}
"""


def test_array_trains_each_point_into_its_own_folder(user: User) -> None:
    """A member that has no point ends with 78 and gets no other try; compare reduces the others."""
    sweep = user.clone / "sweep.toml"
    sweep.write_text(SWEEP)
    array = submit(user, "sweep.sh", "--array=0-2", JOB_SWEEP="sweep.toml", JOB_EPOCHS="2")
    members = [Job(user, f"{array.id}_{index}", array.output) for index in range(3)]
    ends = [member.await_end() for member in members]

    assert [end["JobState"] for end in ends] == ["COMPLETED", "COMPLETED", "FAILED"], array.output
    assert (ends[2]["ExitCode"], ends[2]["Restarts"]) == ("78:0", "0")
    folders = sorted(path for path in array.output.iterdir() if path.is_dir())
    records = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
    told = [record["settings"] for record in records]
    assert [settings["learning_rate"]["value"] for settings in told] == list(RATES)
    assert [settings["sweep_index"]["value"] for settings in told] == [0, 1]

    board = json.loads(user.run(".venv/bin/python", "-m", "job", "compare", array.output))
    assert board["differing"] == ["learning_rate"]
    assert [run["state"] for run in board["runs"]] == ["finished", "finished"]
