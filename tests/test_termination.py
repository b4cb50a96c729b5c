"""Claims about `job.termination`."""

import json
from pathlib import Path
from typing import Any

import pytest

from job import termination
from job.errors import DataError, InterruptedRunError, JobError

HOSTILE = {
    "long": "x" * 100_000,
    "quotes": '"\\' * 50_000,
    "newlines": "\n\r\t\0\x1b" * 20_000,
    "narrow": "é" * 100_000,
    "wide": "衣" * 100_000,
    "astral": "👕" * 100_000,
    "undecodable": "\udcff" * 100_000,
    "mixed": 'a"é\n衣👕\udcff' * 10_000,
}
LONGEST_ESCAPE = len(json.dumps("👕")) - 2


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the termination log, where nothing is yet."""
    log = tmp_path / "termination-log"
    monkeypatch.setattr(termination, "PATH", log)
    monkeypatch.delenv(termination.VARIABLE, raising=False)
    return log


def _parsed(error: JobError | None) -> dict[str, Any]:
    line = termination.message(error)
    assert len(line.encode()) <= 4096
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    assert list(parsed) == ["code", "reason", "remedy", "checkpoint"]
    return parsed


def test_message_has_all_facts() -> None:
    """Code, reason, remedy and checkpoint, as they are."""
    error = DataError('"a" ×\n👕', fix="fetch it", checkpoint="checkpoints/step-1")

    assert _parsed(error) == {
        "code": 65,
        "reason": '"a" ×\n👕',
        "remedy": "fetch it",
        "checkpoint": "checkpoints/step-1",
    }


def test_success_is_told_too() -> None:
    """A finished attempt overwrites what an earlier one has said."""
    assert _parsed(None) == {"code": 0, "reason": "finished", "remedy": "", "checkpoint": ""}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_long_reason_is_cut_at_the_limit(text: str) -> None:
    """As much of it is kept as fits in 4,096 bytes, and the other facts are whole."""
    error = InterruptedRunError(text, fix="run again", checkpoint="step-1")
    parsed = _parsed(error)

    assert parsed["reason"].endswith("…")
    assert text.startswith(parsed["reason"].removesuffix("…"))
    assert len(termination.message(error)) > 4096 - LONGEST_ESCAPE
    assert (parsed["remedy"], parsed["checkpoint"]) == ("run again", "step-1")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_fact_keeps_a_share(text: str) -> None:
    """If all are long, each has about a third."""
    parsed = _parsed(InterruptedRunError(text, fix=text, checkpoint=text))
    sizes = [len(json.dumps(parsed[name])) for name in ("reason", "remedy", "checkpoint")]

    assert min(sizes) > 1300


def test_what_just_fits_is_not_cut() -> None:
    """The limit itself is allowed, and one byte more is not."""
    room = 4096 - len(termination.message(JobError("")))
    assert _parsed(JobError("x" * room))["reason"] == "x" * room

    cut = _parsed(JobError("x" * (room + 1)))["reason"]
    assert cut == "x" * (room - len(r"\u2026")) + "…"


def test_report_is_one_line_in_the_file(log: Path) -> None:
    """What stood there before is gone, even if it was longer."""
    log.write_text("x" * 5000)
    termination.report(DataError("missing"))
    assert json.loads(log.read_text())["code"] == 65

    termination.report(None)
    assert json.loads(log.read_text())["code"] == 0


def test_rank_gives_its_word_to_its_launcher(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes reads is left to the launcher, which hears all ranks."""
    log.touch()
    heard = log.with_name("heard")
    heard.touch()
    monkeypatch.setenv(termination.VARIABLE, str(heard))
    termination.report(DataError("missing"))

    assert json.loads(heard.read_text())["reason"] == "missing"
    assert log.read_text() == ""


def test_word_of_another_is_passed_on_as_it_is(log: Path) -> None:
    """The launcher has nothing to add to it."""
    log.touch()
    word = termination.message(DataError("missing", fix="fetch it"))
    termination.say(word)

    assert log.read_text() == word


def test_absent_file_stays_absent(log: Path) -> None:
    """Outside of Kubernetes nothing is written."""
    termination.report(None)
    assert not log.exists()


def test_file_that_cannot_be_written_is_no_failure(log: Path) -> None:
    """The exit code stays what it was, whatever is there in place of a file."""
    log.mkdir()
    termination.report(None)
    assert list(log.iterdir()) == []


def test_file_is_where_kubernetes_looks() -> None:
    """The default of `terminationMessagePath`."""
    assert str(termination.PATH) == "/dev/termination-log"
