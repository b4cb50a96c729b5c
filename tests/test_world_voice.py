"""Claims about `job.world.voice`."""

import json
import os
from collections.abc import Iterator

import pytest
import structlog

from job.logs import LogLevel
from job.world.placement import Node
from job.world.voice import speak_as

NODE = Node(0, 1, "127.0.0.1", 29_500, "test")


@pytest.fixture(autouse=True)
def _no_rank_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that spoke as a rank does not speak for the next one."""
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "")
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL")
    yield
    structlog.contextvars.clear_contextvars()


def spoken(
    capsys: pytest.CaptureFixture[str], rank: int, size: int, level: LogLevel
) -> list[tuple[str, int | None]]:
    """The levels that a rank speaks at, each with the number that it gives."""
    speak_as(NODE.placement(rank, size), "json", level)
    for each in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), each)("event")
    events = map(json.loads, capsys.readouterr().err.splitlines())
    return [(event["level"], event.get("rank")) for event in events]


def test_rank_0_speaks_as_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With its number, because others speak, too."""
    assert spoken(capsys, 0, 2, "info") == [("info", 0), ("warning", 0), ("error", 0)]
    assert spoken(capsys, 0, 2, "error") == [("error", 0)]


def test_other_ranks_speak_of_trouble_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The same event from each of 64 ranks tells nobody more."""
    assert spoken(capsys, 1, 2, "debug") == [("warning", 1), ("error", 1)]
    assert spoken(capsys, 1, 2, "error") == [("error", 1)]


def test_only_rank_has_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody who trains on one GPU need know of ranks."""
    assert spoken(capsys, 0, 1, "warning") == [("warning", None), ("error", None)]
    assert "TORCH_CPP_LOG_LEVEL" not in os.environ


def test_torch_is_silent_about_lost_connections(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stacks would hide the line that names the rank; whoever wants them can have them."""
    spoken(capsys, 1, 2, "info")
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "ERROR"

    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "INFO")
    spoken(capsys, 1, 2, "info")
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "INFO"
