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
from sweep_files import THREE, write_sweep

LAST_DIVERGES = THREE.replace("0.1, 0.2, 0.3", "1e30, 0.2")
SLOW = THREE.replace("epochs = 1", "epochs = 100").replace("0.1, 0.2, 0.3", "0.1, 0.2")


def states(folder: Path) -> list[str]:
    """Of the runs in the leaderboard that a sweep has left, by their names."""
    with (folder / "leaderboard.csv").open(newline="") as file:
        return [row["state"] for row in sorted(csv.DictReader(file), key=lambda row: row["run"])]


def events(said: str, name: str) -> list[dict[str, Any]]:
    """Those of that name in a log."""
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [row for row in rows if row["event"] == name]


def test_sweep_trains_every_point_and_compares_them(small_job: Program, tmp_path: Path) -> None:
    """Each in its folder, by a record that says what the sweep chose; nothing is left to do."""
    settings = {"JOB_SWEEP": str(write_sweep(tmp_path)), "JOB_DEVICE": "cpu"}
    done = small_job("sweep", **settings)

    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "output") == ["finished"] * 3
    assert (tmp_path / "output" / "compare.html").exists()
    told = json.loads(done.stdout)
    assert sorted(told["differing"]) == ["learning_rate"]
    record = json.loads(
        (tmp_path / "output" / "0002-learning-rate-0.3" / "metrics.json").read_text()
    )
    assert record["settings"]["learning_rate"] == {"value": 0.3, "origin": "sweep"}
    assert record["settings"]["sweep_index"]["value"] == 2

    again = small_job("sweep", **settings)
    assert again.returncode == 0
    assert events(again.stderr, "sweep")[0]["finished"] == 3
    assert events(again.stderr, "point") == []


def test_failed_point_does_not_stop_the_others_and_its_code_is_the_sweeps(
    small_job: Program, tmp_path: Path
) -> None:
    """A step size that diverges is a result, too; its reason is the last word."""
    word = tmp_path / "word"
    word.touch()
    done = small_job(
        "sweep",
        JOB_SWEEP=str(write_sweep(tmp_path, LAST_DIVERGES)),
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
    (tmp_path / "output").mkdir()
    sweep = str(write_sweep(tmp_path))
    small_job("train", JOB_SWEEP=sweep, JOB_SWEEP_INDEX="0", JOB_DEVICE="cpu")
    done = small_job("sweep", "--seed", "5", JOB_SWEEP=sweep, JOB_DEVICE="cpu")

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


def test_bar_counts_the_epochs_of_all_points(small_job: Program, tmp_path: Path) -> None:
    """One for the whole sweep; what the runs print lies beside their results."""
    done = small_job(
        "sweep", "--progress", "on", JOB_SWEEP=str(write_sweep(tmp_path)), JOB_DEVICE="cpu"
    )

    assert done.returncode == 0, done.stderr
    assert "point 2 of 3: 0002-learning-rate-0.3" in done.stderr
    assert events(done.stderr, "epoch") == []
    log = tmp_path / "output" / "0001-learning-rate-0.2" / "log.txt"
    assert len(events(log.read_text(), "epoch")) == 1


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


def test_compare_reads_what_a_sweep_has_left(
    small_job: Program, job: Program, tmp_path: Path
) -> None:
    """And writes the files that it is asked for; one that cannot be written is 73."""
    small_job("train", JOB_EPOCHS="1", JOB_DEVICE="cpu", JOB_OUTPUT_DIR="runs/a")
    done = job("compare", "runs", "--csv", "new/board.csv", "--html", "new/board.html")

    assert done.returncode == 0, done.stderr
    assert [run["run"] for run in json.loads(done.stdout)["runs"]] == ["a"]
    assert (tmp_path / "new" / "board.html").read_text().startswith("<!DOCTYPE html>")
    assert job("compare", "runs", "--csv", "runs").returncode == 73
    assert job("compare", "nowhere").returncode == 65
    shown = job("compare", "runs", "--log-format", "console")
    assert "the best first" in shown.stdout
