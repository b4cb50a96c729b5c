"""Claims about `job.launch.endings`."""

import signal

import pytest

from job.errors import ExitCode, InterruptedRunError, JobError
from job.launch.endings import Ending


@pytest.mark.parametrize("code", ExitCode)
def test_code_of_the_table_is_kept(code: ExitCode) -> None:
    """The rank has told the reason; 75 stays 75."""
    assert Ending(1, int(code)).exit_code() is code


@pytest.mark.parametrize("code", [1, 2, 76, 137])
def test_code_that_is_not_in_the_table_is_a_bug(code: int) -> None:
    """Python ends with 1 where nothing could tell why."""
    with pytest.raises(JobError, match=f"rank 3 ended with exit code {code}") as caught:
        Ending(3, code).exit_code()

    assert caught.value.exit_code == ExitCode.BUG


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL"])
def test_fault_is_told_as_such_and_is_a_bug(name: str) -> None:
    """The next attempt would end so, too; how to see where is said."""
    with pytest.raises(JobError, match=f"rank 2 was ended by {name}") as caught:
        Ending(2, -signal.Signals[name]).exit_code()

    assert caught.value.exit_code == ExitCode.BUG
    assert "PYTHONFAULTHANDLER" in caught.value.fix


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGUSR1", "SIGXCPU"])
def test_rank_that_was_ended_from_outside_may_be_started_again(name: str) -> None:
    """Whoever did it may let the next attempt live."""
    with pytest.raises(InterruptedRunError, match=f"rank 2 was ended by {name}") as caught:
        Ending(2, -signal.Signals[name]).exit_code()

    assert caught.value.exit_code == ExitCode.INTERRUPTED
    assert ("out of memory" in caught.value.fix) is (name == "SIGKILL")


def test_signal_without_a_name_has_its_number() -> None:
    """Python knows the first and the last of the real-time signals."""
    assert (
        str(Ending(0, -(signal.SIGRTMIN + 3)))
        == f"rank 0 was ended by signal {signal.SIGRTMIN + 3}"
    )
