"""Claims about `job.attempts`."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from job import attempts
from job.attempts import Ledger
from job.errors import ExitCode, OutputError

BEGIN_AND_DIE = """
import os, pathlib, signal, sys
from job.attempts import Ledger
Ledger.begin(pathlib.Path(sys.argv[1]), "node-1")
os.kill(os.getpid(), signal.SIGKILL)
"""


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / attempts.FILE).read_text().splitlines()]


def test_attempts_are_counted_from_one(tmp_path: Path) -> None:
    """Each has its number, its node and its start in UTC."""
    for node in ("node-1", "node-2", "node-3"):
        ledger = Ledger.begin(tmp_path, node)
    lines = _lines(tmp_path)

    assert [line["attempt"] for line in lines] == [1, 2, 3]
    assert [line["node"] for line in lines] == ["node-1", "node-2", "node-3"]
    assert lines == [each.model_dump() for each in ledger.attempts]
    started = datetime.fromisoformat(lines[2]["started_at"])
    assert started.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - started) < timedelta(minutes=5)


def test_killed_attempt_leaves_a_line_without_an_end(tmp_path: Path) -> None:
    """It is there from the first moment on, and the next attempt keeps it as it is."""
    command = [sys.executable, "-c", BEGIN_AND_DIE, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -9

    Ledger.begin(tmp_path, "node-2").end(ExitCode.FINISHED, "finished", 40)
    killed, finished = _lines(tmp_path)
    assert (killed["attempt"], killed["ended"], killed["exit_code"]) == (1, None, None)
    assert (finished["attempt"], finished["ended"]) == (2, "finished")


def test_end_is_entered(tmp_path: Path) -> None:
    """Code, reason, last durable step and seconds; the start stays."""
    ledger = Ledger.begin(tmp_path, "node-1")
    (begun,) = _lines(tmp_path)
    ledger.end(ExitCode.INTERRUPTED, "SIGTERM\nin mid-epoch", 40)

    (line,) = _lines(tmp_path)
    assert 0 <= line.pop("seconds") < 60
    expected = {"ended": "SIGTERM\nin mid-epoch", "exit_code": 75, "step": 40}
    assert line == {name: fact for name, fact in begun.items() if name != "seconds"} | expected


def test_attempt_without_a_durable_step_says_so(tmp_path: Path) -> None:
    """None is not step 0."""
    Ledger.begin(tmp_path, "node-1").end(ExitCode.BUG, "KeyError", None)
    assert _lines(tmp_path)[0]["step"] is None


def test_note_is_kept_by_the_end(tmp_path: Path) -> None:
    """Where an attempt was resumed is known while it runs and when it is over."""
    ledger = Ledger.begin(tmp_path, "node-1")
    ledger.note(resumed_from_step=40)
    assert _lines(tmp_path)[0]["resumed_from_step"] == 40

    ledger.end(ExitCode.FINISHED, "finished", 80)
    assert _lines(tmp_path)[0]["resumed_from_step"] == 40
    assert len(ledger.attempts) == 1


@pytest.mark.parametrize("garbage", [b"", b"{", b"null", b'{"attempt": 9}', b"\xff\xfe\0"])
def test_garbled_line_does_not_stop_the_next_attempt(tmp_path: Path, garbage: bytes) -> None:
    """The lines that can be read count; the other one is dropped."""
    Ledger.begin(tmp_path, "node-1")
    path = tmp_path / attempts.FILE
    path.write_bytes(garbage + b"\n" + path.read_bytes() + garbage)
    Ledger.begin(tmp_path, "node-2")

    assert [line["attempt"] for line in _lines(tmp_path)] == [1, 2]


def test_numbers_go_on_after_a_lost_line(tmp_path: Path) -> None:
    """No two attempts have the same number, even if the first line is gone."""
    Ledger.begin(tmp_path, "node-1")
    Ledger.begin(tmp_path, "node-1")
    path = tmp_path / attempts.FILE
    path.write_text("x\n" + path.read_text().splitlines()[1] + "\n")

    assert Ledger.begin(tmp_path, "node-1").attempts[-1].attempt == 3


def test_attempt_that_cannot_be_entered_does_not_begin(tmp_path: Path) -> None:
    """A volume that takes no line takes no results, either."""
    with pytest.raises(OutputError, match="No such file"):
        Ledger.begin(tmp_path / "none", "node-1")
