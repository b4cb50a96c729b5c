"""Claims about `job.compare.recorded`: whatever lies in a folder, it is a run in some state."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from compared_runs import attempt, beat, finished, leave
from job.compare.recorded import SIGNS, State, epochs_done, read_run
from job.process import this_process
from report_records import run_record

GONE = this_process().model_copy(update={"pid": 2**22 - 1, "started": 1})


def test_finished_run_tells_all(tmp_path: Path) -> None:
    """As its record has it."""
    run = read_run(finished(tmp_path / "run", 0.875, seed=3), "mine")

    assert (run.name, run.state, run.is_done) == ("mine", "finished", True)
    assert (run.accuracy, run.loss, len(run.history)) == (0.875, 0.125, 3)
    assert (run.training_seconds, run.images_per_second, run.device) == (121.2, 28301.2, "Some GPU")
    assert run.settings == {"seed": 3}


def test_record_of_another_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    """A field that was added, or that is not there yet, does not hide the result."""
    content = json.loads(run_record().model_dump_json())
    content |= {"schema_version": 7, "future": {"a": 1}}
    del content["timings"], content["device"], content["settings"]
    tmp_path.joinpath("metrics.json").write_text(json.dumps(content))
    run = read_run(tmp_path, "x")

    assert (run.state, run.accuracy, run.training_seconds) == ("finished", 0.7222, None)


def test_missed_gate_is_told_and_ranked(tmp_path: Path) -> None:
    """The weights are there all the same."""
    run = read_run(finished(tmp_path / "run", 0.5, code=80), "x")

    assert (run.told_state, run.is_done) == ("missed gate (80)", True)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"exit_code": 75}, "interrupted"),
        ({"exit_code": 81}, "failed (81)"),
        ({}, "killed"),
        ({"exit_code": 0}, "unreadable"),
    ],
)
def test_run_without_a_record_is_judged_by_its_last_attempt(
    tmp_path: Path, facts: dict[str, Any], told: str
) -> None:
    """Its history and its checkpoint tell how far it came, and with what."""
    leave(
        tmp_path / "run",
        epochs=2,
        attempts=[attempt(exit_code=69), attempt(**facts)],
        settings={"learning_rate": 0.5},
    )
    run = read_run(tmp_path / "run", "x")

    assert run.told_state == told
    assert (run.accuracy, len(run.history), run.training_seconds) == (0.75, 2, 4.2)
    assert run.settings == {"learning_rate": 0.5}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "running"),
        ({"process": GONE}, "killed"),
        ({"idle_seconds": 1000.0}, "stalled"),
        ({"uptime_seconds": -1e6}, "stalled"),
        ({"phase": "ended"}, "interrupted"),
    ],
)
def test_run_that_gives_signs_of_life_is_judged_by_them(
    tmp_path: Path, facts: dict[str, Any], state: State
) -> None:
    """Whoever is at work has not ended yet, whatever the ledger says of earlier attempts."""
    leave(tmp_path / "run", attempts=[attempt(exit_code=75)])
    beat(tmp_path / "run", **facts)

    assert read_run(tmp_path / "run", "x").state == state


def test_point_of_a_sweep_is_known_before_its_first_checkpoint(tmp_path: Path) -> None:
    """One that diverges at once leaves nothing else that says with what."""
    leave(tmp_path / "run", attempts=[attempt(exit_code=81)])
    (tmp_path / "run" / "point.json").write_text('{"settings": {"learning_rate": 9.0}}')

    assert read_run(tmp_path / "run", "x").settings == {"learning_rate": 9.0}


def test_point_of_a_sweep_tells_what_was_swept(tmp_path: Path) -> None:
    """Of a run with a checkpoint, too, which has no folder of data; and of one that is finished."""
    leave(tmp_path / "begun", epochs=1, settings={"seed": 3})
    finished(tmp_path / "done", 0.5, seed=3, data_dir="/b")
    for name in ("begun", "done"):
        (tmp_path / name / "point.json").write_text('{"settings": {"seed": 9, "data_dir": "/b"}}')
        run = read_run(tmp_path / name, "x")

        assert run.settings == {"seed": 3, "data_dir": "/b"}
        assert run.swept == {"seed", "data_dir"}


def test_text_that_has_no_bytes_is_read_as_an_escape(tmp_path: Path) -> None:
    """JSON can name halves of characters, as names and values; no file takes them."""
    leave(tmp_path / "run", attempts=[attempt(exit_code=81)], settings={"\ud800": "\udcff"})

    assert read_run(tmp_path / "run", "x").settings == {"\\ud800": "\\udcff"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"evaluation": {"accuracy": NaN, "loss": 1}}',
        b'{"evaluation": {"accuracy": 1e999, "loss": 1}}',
        b'{"evaluation": {"accuracy": 0.5, "loss": 1e308}}',
        b'{"evaluation": null}',
        b"9" * 10_000,
        b'{"epoch": -1}\n{"attempt": "x"}\nnull\n' * 50,
    ],
    ids=["empty", "binary", "deep", "nan", "infinite", "huge", "null", "digits", "lines"],
)
def test_damaged_files_make_a_run_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    """Never a crash, whichever file it is, and however many of them."""
    for name in (*SIGNS, "point.json"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "checkpoints" / "step-1").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-1" / "manifest.json").write_bytes(content)
    run = read_run(tmp_path, "x")

    assert (run.state, run.accuracy, run.settings) == ("unreadable", None, {})


def test_folders_pipes_and_links_in_place_of_files_are_passed_over(tmp_path: Path) -> None:
    """Nobody waits for the writer of a pipe."""
    os.mkfifo(tmp_path / "metrics.json")
    (tmp_path / "metrics.jsonl").mkdir()
    (tmp_path / "attempts.jsonl").symlink_to("attempts.jsonl")

    assert read_run(tmp_path, "x").state == "unreadable"


def test_no_damage_of_a_whole_run_makes_reading_fail(tmp_path: Path) -> None:
    """Any byte of any file may be another one."""
    folder = finished(tmp_path / "run", 0.875, seed=3)
    leave(tmp_path / "other", epochs=3, settings={"seed": 1})
    beat(folder)
    chance = random.Random(0)
    for path in [each for each in tmp_path.rglob("*") if each.is_file()]:
        whole = path.read_bytes()
        for _ in range(50):
            place = chance.randrange(len(whole))
            path.write_bytes(whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :])
            assert read_run(folder, "x").state
            assert read_run(tmp_path / "other", "x").state
        path.write_bytes(whole)


def test_epochs_that_are_durable_are_counted(tmp_path: Path) -> None:
    """For a bar; a folder that is not there yet has none."""
    assert epochs_done(leave(tmp_path / "run", epochs=2)) == 2
    assert epochs_done(tmp_path / "none") == 0
