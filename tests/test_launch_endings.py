"""Claims about `job.launch.endings`."""

import signal

import pytest

from job.errors import ExitCode, InterruptedRunError, JobError
from job.launch.endings import Ending, cause


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


def failures(*statuses: int) -> list[Ending]:
    """Ranks in the order in which they ended."""
    return [Ending(rank, status) for rank, status in enumerate(statuses)]


@pytest.mark.parametrize("statuses", [(65, 75), (70, 73), (-9, 75), (-9, 70), (-11, 75, 65)])
def test_first_failure_brings_about_the_others(statuses: tuple[int, ...]) -> None:
    """Whatever they make of it."""
    assert cause(failures(*statuses), stopped=False) == Ending(0, statuses[0])


@pytest.mark.parametrize(
    ("statuses", "rank"),
    [((75, 65), 1), ((75, 75, -11, 70), 2), ((75, -15, -9, 73), 3), ((75, 75, -9), 0), ((75,), 0)],
)
def test_rank_that_only_lost_another_is_not_the_cause(statuses: tuple[int, ...], rank: int) -> None:
    """The one that failed may take longer to end; those that the launcher ended are no cause."""
    assert cause(failures(*statuses), stopped=False) == Ending(rank, statuses[rank])


def test_stop_is_the_cause_of_what_follows_it() -> None:
    """75 is what was asked for then."""
    assert cause(failures(75, 70), stopped=True) == Ending(0, 75)


def test_without_a_failure_there_is_no_cause() -> None:
    """All have finished."""
    assert cause([], stopped=False) is None
