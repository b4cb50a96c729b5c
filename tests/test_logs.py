"""Claims about `job.logs`."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog

from job import logs
from job.logs import LogFormat, LogLevel
from terminals import terminal


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_collector_gets_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, level and time in UTC are in each, and what JSON has no type for is text."""
    logs.configure("json", "info")
    structlog.get_logger().info("data\nread", folder=Path("x"), images=3)
    structlog.get_logger().warning("slow")

    read, slow = _events(capsys.readouterr().err)
    assert read.pop("timestamp").endswith("Z")
    assert read == {
        "event": "data\nread",
        "level": "info",
        "folder": repr(Path("x")),
        "images": 3,
    }
    assert slow["level"] == "warning"


def test_standard_output_stays_free(capsys: pytest.CaptureFixture[str]) -> None:
    """What a command answers can be piped, however much is logged."""
    logs.configure("auto", "debug")
    structlog.get_logger().error("odd")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("level", get_args(LogLevel))
def test_level_is_the_least_severe_that_is_logged(
    capsys: pytest.CaptureFixture[str], level: LogLevel
) -> None:
    """Events below it cost nothing, and those above it are all there."""
    logs.configure("json", level)
    for each in get_args(LogLevel):
        getattr(structlog.get_logger(), each)("event")

    order = ["debug", "info", "warning", "error"]
    logged = [event["level"] for event in _events(capsys.readouterr().err)]
    assert logged == order[order.index(level) :]


def test_stack_of_an_exception_is_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A collector that splits at newlines keeps the stack together."""
    logs.configure("json", "info")
    try:
        int("x")
    except ValueError:
        structlog.get_logger().exception("bug")

    (event,) = _events(capsys.readouterr().err)
    (stack,) = event["exception"]
    assert stack["exc_type"] == "ValueError"
    assert stack["frames"][-1]["name"] == test_stack_of_an_exception_is_in_its_line.__name__


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_stack_keeps_the_values_of_variables_to_itself(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    """A log is no place for what a variable holds: a secret, or a tensor on a broken GPU."""
    logs.configure(log_format, "info")
    private = "hunter" + str(2)  # so that it is not in the lines of the source, either
    try:
        int(private[0])
    except ValueError:
        structlog.get_logger().exception("bug")

    text = capsys.readouterr().err
    assert "ValueError" in text
    assert "hunter2" not in text


def test_people_get_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """`console` is no JSON, and has no colours where there is no terminal."""
    logs.configure("console", "info")
    structlog.get_logger().info("data read", images=3)

    text = capsys.readouterr().err
    assert "data read" in text
    assert "images=3" in text
    assert "{" not in text
    assert "\x1b" not in text


def test_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` writes sentences in colour to a terminal."""
    with terminal(monkeypatch) as shown:
        logs.configure("auto", "info")
        structlog.get_logger().info("data read", images=3)
        text = shown()

    assert "data read" in text
    assert "\x1b[" in text


@pytest.mark.parametrize("log_format", get_args(LogFormat))
def test_format_that_was_chosen_beats_the_terminal(
    monkeypatch: pytest.MonkeyPatch, log_format: LogFormat
) -> None:
    """Only `auto` asks what the stream is."""
    assert logs.is_for_people(log_format, io.StringIO()) == (log_format == "console")
    with terminal(monkeypatch):
        assert logs.is_for_people(log_format, sys.stderr) == (log_format != "json")
        assert logs.is_console(log_format) == (log_format != "json")


@pytest.mark.parametrize("log_format", get_args(LogFormat))
def test_configured_format_can_be_asked_for(log_format: LogFormat) -> None:
    """Away from a terminal only `console` is for people."""
    logs.configure(log_format, "info")
    assert logs.speaks_to_people() == (log_format == "console")


def test_lines_follow_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A progress bar that takes standard error over gets the lines, too."""
    logs.configure("json", "info")
    log = structlog.get_logger().bind()
    taken_over = io.StringIO()
    monkeypatch.setattr(sys, "stderr", taken_over)
    log.info("event")

    assert _events(taken_over.getvalue())[0]["event"] == "event"
    assert capsys.readouterr().err == ""


def test_libraries_speak_in_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that a collector cannot parse may come from no library; each comes once."""
    for _ in range(2):
        logs.configure("json", "info")
    logging.getLogger("matplotlib").warning("no cache folder")
    logging.getLogger("matplotlib").info("not worth telling")

    (event,) = _events(capsys.readouterr().err)
    assert (event["event"], event["logger"]) == ("no cache folder", "matplotlib")


def test_structlog_waits_until_it_is_wanted() -> None:
    """`explain` does not pay for a log that it does not write."""
    code = "import sys, job.logs; sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
