"""Claims about `job.sweep.listing`: the points, and what has become of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from compared_runs import attempt, leave
from job.sweep.listing import as_json, for_people, is_finished
from sweep_files import finish, make_plan


def test_plan_lists_every_point_with_its_state(tmp_path: Path) -> None:
    """The same for people and for programs."""
    plan = make_plan(tmp_path)
    finish(plan.runs[0])
    leave(plan.runs[1].output_dir, attempts=[attempt(exit_code=75)])
    told, shown = json.loads(as_json(plan)), for_people(plan)

    assert [each["state"] for each in told] == ["finished", "interrupted", "new"]
    assert told[2]["settings"] == {"learning_rate": 0.3, "epochs": 1}
    assert told[2]["folder"] == str(plan.runs[2].output_dir)
    for words in ("3 points", "learning_rate", "0.3", "interrupted", "0002-learning-rate-0.3"):
        assert words in shown


def test_settings_that_are_paths_are_listed_as_text(tmp_path: Path) -> None:
    """JSON has no paths."""
    text = 'method="grid"\n[settings]\nstop_file=["stop"]\ndata_dir=["a", "b"]'
    told = json.loads(as_json(make_plan(tmp_path, text=text)))

    assert [list(each["settings"].items()) for each in told] == [
        [("stop_file", "stop"), ("data_dir", "a")],
        [("stop_file", "stop"), ("data_dir", "b")],
    ]


@pytest.mark.parametrize(
    ("accuracy", "others", "expected"),
    [(0.8, {}, True), (0.8, {"seed": 9}, False), (0.4, {}, False)],
    ids=["of the same settings", "of others", "below the gate"],
)
def test_point_is_finished_if_its_own_run_is(
    tmp_path: Path, accuracy: float, others: dict[str, Any], expected: bool
) -> None:
    """What only looks like it is left to the run itself, which says what is wrong."""
    plan = make_plan(tmp_path, "--min-accuracy", "0.5")
    finish(plan.runs[0], accuracy, **others)

    assert is_finished(plan.runs[0]) is expected
    assert not is_finished(plan.runs[1])
