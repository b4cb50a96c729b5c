"""What an earlier run has left, edited by a stranger: it counts or not, and stops nobody."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given

import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from job import artifacts
from job.attempts import Ledger
from job.errors import OutputError
from job.stopwatch import Stopwatch
from whole_files import whole

READERS: dict[str, Callable[[Path], object]] = {
    "metrics.json": artifacts.read_record,
    "attempts.jsonl": lambda folder: Ledger.begin(folder, "node", Stopwatch()),
}


def _with(content: bytes, name: str, value: bytes) -> bytes:
    """A JSON object with another number under this name."""
    return re.sub(rb'("%b": ?)[0-9.]+' % name.encode(), rb"\g<1>" + value, content)


@given(spoilt(whole("record")))
@example(b"[" * 100_000)
@many(quick=200, full=20_000)
def test_spoilt_record_counts_or_does_not(data: bytes) -> None:
    """Whatever it says, reading it ends."""
    with inert():
        targets.record(data)


@given(spoilt(whole("ledger")))
@example(b'{"attempt":' + b"9" * 4_300 + b',"node":"n","started_at":"t"}')
@example(b'{"attempt":1,"node":"\\ud800","started_at":"t"}')
@example(b'{"attempt":1,"node":"n","started_at":"t","seconds":1e999}')
@example(b'{"attempt":1,"node":"n","started_at":"t","seconds":NaN}')
@many(quick=200, full=10_000)
def test_spoilt_ledger_takes_the_next_attempt(data: bytes) -> None:
    """It is entered, and the ledger can be read by the one after it."""
    with inert():
        targets.ledger(data)


@given(spoilt(whole("heartbeat_file")))
@example(_with(whole("heartbeat_file")[0], "seconds", b"1e999"))
@example(_with(whole("heartbeat_file")[0], "step", b"9" * 4_300))
@many(quick=200, full=10_000)
def test_spoilt_heartbeat_is_judged_or_passed_over(data: bytes) -> None:
    """By the next attempt, whose ledger it completes, and by a probe."""
    with inert():
        targets.heartbeat_file(data)


@given(spoilt(whole("lease_file")))
@example(_with(whole("lease_file")[0], "pid", b"9" * 30))
@example(_with(whole("lease_file")[0], "pid", b"-1"))
@many(quick=100, full=2_000)
def test_spoilt_lease_is_taken_over_or_told(data: bytes) -> None:
    """No owner can be such that nobody else ever gets an answer."""
    with inert():
        targets.lease_file(data)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", READERS)
def test_pipe_in_its_place_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / name)
    READERS[name](tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_folder_in_its_place_is_told_as_one_that_the_volume_has(tmp_path: Path, name: str) -> None:
    """It does not count; where it is in the way of writing, that is an output error."""
    (tmp_path / name).mkdir()
    if name == "metrics.json":
        assert READERS[name](tmp_path) is None
    else:
        with pytest.raises(OutputError):
            READERS[name](tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_terabyte_in_its_place_takes_nothing(tmp_path: Path, name: str) -> None:
    """Holes cost their maker nothing."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)
    with modest(64 * MEBIBYTE):
        READERS[name](tmp_path)
