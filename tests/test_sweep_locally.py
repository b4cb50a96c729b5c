"""Claims about `job.sweep.locally`: the real program over a small dataset, point after point."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Program, small_job_command
from job.data.spec import DatasetSpec
from sweep_files import THREE, finish, make_plan, write_sweep

# Each point costs the start of a process.
TWO = THREE.replace("0.1, 0.2, 0.3", "0.1, 0.2")
FIRST_DIVERGES = TWO.replace("0.1", "1e30")
SLOW = TWO.replace("epochs = 1", "epochs = 40")


def states(folder: Path) -> list[str]:
    """Of the runs in the leaderboard that a sweep has left, by their names."""
    with (folder / "leaderboard.csv").open(newline="") as file:
        return [row["state"] for row in sorted(csv.DictReader(file), key=lambda row: row["run"])]


def events(said: str, name: str) -> list[dict[str, Any]]:
    """Those of that name in a log."""
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [row for row in rows if row["event"] == name]


def test_sweep_trains_every_point_and_compares_them(small_job: Program, tmp_path: Path) -> None:
    """Each in its folder, by a record that says what the sweep chose; nothing is left to do.

    One bar counts the epochs of all, and what the runs print lies beside their results.
    """
    settings = {"JOB_SWEEP": str(write_sweep(tmp_path, TWO)), "JOB_DEVICE": "cpu"}
    output = tmp_path / "output"
    last = output / "0001-learning-rate-0.2"
    done = small_job("sweep", "--progress", "on", **settings)

    assert done.returncode == 0, done.stderr
    assert states(output) == ["finished"] * 2
    assert (output / "compare.html").exists()
    assert json.loads(done.stdout)["differing"] == ["learning_rate"]
    record = json.loads((last / "metrics.json").read_text())
    assert record["settings"]["learning_rate"] == {"value": 0.2, "origin": "sweep"}
    assert record["settings"]["sweep_index"]["value"] == 1

    assert "point 1 of 2: 0001-learning-rate-0.2" in done.stderr
    assert events(done.stderr, "epoch") == []
    assert len(events((last / "log.txt").read_text(), "epoch")) == 1

    again = small_job("sweep", **settings)
    assert again.returncode == 0
    assert events(again.stderr, "sweep")[0]["finished"] == 2
    assert events(again.stderr, "point") == []


def test_failed_point_does_not_stop_the_others_and_its_code_is_the_sweeps(
    small_job: Program, tmp_path: Path
) -> None:
    """A step size that diverges is a result, too; its reason is the last word."""
    word = tmp_path / "word"
    word.touch()
    done = small_job(
        "sweep",
        JOB_SWEEP=str(write_sweep(tmp_path, FIRST_DIVERGES)),
        JOB_DEVICE="cpu",
        TERMINATION_LOG=str(word),
    )

    assert done.returncode == 81
    assert states(tmp_path / "output") == ["failed", "finished"]
    assert json.loads(word.read_text())["code"] == 81
    (failed,) = [run for run in json.loads(done.stdout)["runs"] if run["state"] == "failed"]
    assert failed["settings"]["learning_rate"] == 1e30


def test_what_would_fail_every_point_ends_the_sweep_at_the_first(
    small_job: Program, tmp_path: Path
) -> None:
    """Here a folder of other settings; the others are not tried."""
    finish(make_plan(tmp_path).runs[0], seed=9)
    done = small_job("sweep", JOB_SWEEP=str(tmp_path / "sweep.toml"), JOB_DEVICE="cpu")

    assert done.returncode == 78
    assert [each["index"] for each in events(done.stderr, "point")] == [0]


def test_stopped_sweep_ends_with_75_and_goes_on(
    small_job: Program, small_data: tuple[Path, DatasetSpec], tmp_path: Path
) -> None:
    """The point at work saves, no other begins, and the same command finishes them."""
    sweep = write_sweep(tmp_path, SLOW)
    environment = {"JOB_SWEEP": str(sweep), "JOB_DEVICE": "cpu"}
    first = tmp_path / "output" / "0000-learning-rate-0.1"
    with subprocess.Popen(
        [*small_job_command(small_data), "sweep"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until = time.monotonic() + 100
        while not any(first.glob("checkpoints/*/manifest.json")) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)

    assert process.returncode == 75, said[1]
    assert "2 of 2 points left" in events(said[1], "interrupted")[-1]["reason"]
    assert states(tmp_path / "output") == ["interrupted"]
    plan = json.loads(small_job("sweep", "--plan", **environment).stdout)
    assert [point["state"] for point in plan] == ["interrupted", "new"]

    assert small_job("sweep", **environment).returncode == 0
    attempts = (first / "attempts.jsonl").read_text().splitlines()
    assert [json.loads(attempt)["exit_code"] for attempt in attempts] == [75, 0]
    assert states(tmp_path / "output") == ["finished"] * 2


@pytest.mark.parametrize("command", [(), ("train",)])
def test_train_insists_on_an_index(job: Program, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Which point it would be is not guessed."""
    done = job(*command, JOB_SWEEP=str(write_sweep(tmp_path)))

    assert done.returncode == 78
    assert "JOB_SWEEP_INDEX" in done.stderr
    assert not (tmp_path / "output").exists()


def test_explain_shows_the_point_that_an_index_names(job: Program, tmp_path: Path) -> None:
    """As the run would see it."""
    done = job("explain", JOB_SWEEP=str(write_sweep(tmp_path)), JOB_COMPLETION_INDEX="1")

    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["JOB_LEARNING_RATE", "0.2", "sweep"] in rows
    assert ["JOB_OUTPUT_DIR", "output/0001-learning-rate-0.2", "sweep"] in rows


def test_compare_writes_the_files_that_it_is_asked_for(job: Program, tmp_path: Path) -> None:
    """One that cannot be written is 73, and a folder that is not there 65."""
    finish(make_plan(tmp_path).runs[0])
    done = job("compare", "output", "--csv", "new/board.csv", "--html", "new/board.html")

    assert done.returncode == 0, done.stderr
    assert [run["run"] for run in json.loads(done.stdout)["runs"]] == ["0000-learning-rate-0.1"]
    assert (tmp_path / "new" / "board.html").read_text().startswith("<!DOCTYPE html>")
    for folder in ("output", ".", "/"):
        refused = job("compare", "--csv", folder, "--html", folder)
        assert refused.returncode == 73
        assert f"cannot write {folder}: it is a folder" in refused.stderr
    assert job("compare", "nowhere").returncode == 65
    assert "the best first" in job("compare", "--log-format", "console").stdout
