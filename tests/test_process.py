"""Claims about `job.process`: who is gone is gone, and nobody else is taken for it."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from job import process
from job.process import Process, is_gone, this_process

TELL = "from job.process import this_process; print(this_process().model_dump_json(), flush=True)"
TELL_AND_WAIT = f"{TELL}; input()"


def _told(program: subprocess.Popen[str]) -> Process:
    assert program.stdout is not None
    return Process.model_validate_json(program.stdout.readline())


def _start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_process_tells_what_the_kernel_knows_of_it() -> None:
    """Node, number, boot and namespace; and when it started, the same at each time."""
    told = this_process()

    assert (told.node, told.pid) == (platform.node(), os.getpid())
    assert told.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert told.pid_namespace == os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
    assert told == this_process()
    assert told.started > 0


def test_process_that_runs_is_there_and_gone_when_it_was_killed() -> None:
    """Seen by another one; while nobody has asked for its end, it still counts as there."""
    with _start(TELL_AND_WAIT) as program:
        told = _told(program)
        assert not is_gone(told)
        program.kill()
        program.communicate()

    assert is_gone(told)


def test_number_that_was_given_to_another_process_deceives_nobody() -> None:
    """A container's only process is always number 1."""
    mine = this_process()

    assert not is_gone(mine)
    assert is_gone(mine.model_copy(update={"started": mine.started - 1}))


@pytest.mark.parametrize(
    "elsewhere", [{"node": "node-9"}, {"boot": "another"}, {"pid_namespace": 1}, {"boot": ""}]
)
def test_process_that_cannot_be_seen_from_here_is_not_said_to_be_gone(
    elsewhere: dict[str, str | int],
) -> None:
    """Its number means nothing on another node, after another boot, in another container."""
    with _start(TELL) as program:
        told = _told(program)
        program.communicate()

    assert is_gone(told)
    assert not is_gone(told.model_copy(update=elsewhere))


def test_process_of_another_user_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be hidden in /proc, and must not be signalled."""

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(process, "_started", lambda pid: 5 if pid == os.getpid() else None)
    other = this_process().model_copy(update={"pid": 2**22 + 1})

    assert not is_gone(other)


def test_system_that_tells_nothing_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc, nobody is said to be gone."""
    dead = this_process().model_copy(update={"pid": 2**22 + 1})
    assert is_gone(dead)

    def refuse(path: Path, *_: object, **__: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    told = this_process()

    assert (told.boot, told.pid_namespace, told.started) == ("", 0, 0)
    assert not is_gone(told.model_copy(update={"pid": 2**22 + 1}))
