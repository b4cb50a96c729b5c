"""Claims about `job.compare.folders`: which runs are meant."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from compared_runs import attempt, finished, leave
from job.compare.board import board
from job.compare.folders import find_runs
from job.compare.page import page
from job.compare.table import as_csv, as_json, for_people
from job.errors import DataError


def test_folder_of_a_sweep_means_all_runs_below_it(tmp_path: Path) -> None:
    """Each by its name below that folder; what else lies there is passed over."""
    finished(tmp_path / "sweep" / "0001-b", 0.5)
    leave(tmp_path / "sweep" / "0000-a", attempts=[attempt()])
    (tmp_path / "sweep" / "notes").mkdir()
    (tmp_path / "sweep" / "notes" / "a.txt").touch()

    assert [run.name for run in find_runs([tmp_path / "sweep"])] == ["0000-a", "0001-b"]


def test_runs_that_are_named_go_by_the_names_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As typed, so that they can be told apart; one that is named twice is one."""
    monkeypatch.chdir(tmp_path)
    finished(Path("a"), 0.5)
    finished(Path("more/b"), 0.5)
    named = find_runs([Path("a"), Path("more"), Path("more/b")])

    assert [run.name for run in named] == ["a", "more/b"]


def test_folders_inside_of_a_run_are_not_runs(tmp_path: Path) -> None:
    """Its checkpoints and copies are its own."""
    finished(tmp_path / "run", 0.5)
    finished(tmp_path / "run" / "copy", 0.5)

    assert len(find_runs([tmp_path])) == 1


def test_links_are_not_followed_and_the_search_is_not_endless(tmp_path: Path) -> None:
    """A link to its own folder would never end, and a run far down is somebody else's."""
    finished(tmp_path / "run", 0.5)
    (tmp_path / "loop").symlink_to(tmp_path)
    finished(tmp_path.joinpath(*"abcdef"), 0.5)

    assert [run.name for run in find_runs([tmp_path])] == ["run"]


def test_name_that_is_no_utf8_is_told_in_all_forms(tmp_path: Path) -> None:
    """Its byte as an escape, so that two such names stay two; all that is written is UTF-8."""
    finished(tmp_path / os.fsdecode(b"run-\xfe"), 0.5)
    finished(tmp_path / os.fsdecode(b"run-\xff"), 0.5)
    compared = board(find_runs([tmp_path]))
    rows = list(csv.DictReader(io.StringIO(as_csv(compared))))
    runs = json.loads(as_json(compared))["runs"]

    assert [run["run"] for run in runs] == [row["run"] for row in rows]
    assert [row["run"] for row in rows] == ["run-\\udcfe", "run-\\udcff"]
    assert runs[0]["folder"] == f"{tmp_path}/run-\\udcfe"
    for text in (page(compared), for_people(compared)):
        assert b"run-\\udcfe" in text.encode()


@pytest.mark.parametrize(("name", "told"), [("none", "no folder"), ("empty", "no run in")])
def test_nothing_to_compare_is_told(tmp_path: Path, name: str, told: str) -> None:
    """With the exit code of what is missing."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match=told) as caught:
        find_runs([tmp_path / name])
    assert caught.value.exit_code == 65
