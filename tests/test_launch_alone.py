"""Claims about `job.launch.alone`, with programs that are real processes."""

import sys
import time
from pathlib import Path

import pytest

from job.errors import ExitCode
from job.launch.alone import run_alone, this_program
from job.stop import StopFlag

# A sweep has no other threads, the process of the tests may have.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
STOPS_WITH_75 = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
print("ready", flush=True)
time.sleep(60)
"""


def python(code: str) -> list[str]:
    """The argv of a small program."""
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", 0),
        ("raise SystemExit(81)", 81),
        ("raise ValueError", 70),
        ("import os; os.kill(os.getpid(), 11)", 70),
        ("import os; os.kill(os.getpid(), 9)", 75),
    ],
)
def test_every_ending_is_one_of_the_table(tmp_path: Path, code: str, expected: int) -> None:
    """A code that is not in it is a bug, and a kill from outside an interruption."""
    outcome = run_alone(python(code), StopFlag(), log=tmp_path / "log.txt")

    assert outcome.code == ExitCode(expected)
    assert bool(outcome.reason) == (expected in (70, 75))


def test_last_word_of_the_program_is_kept(tmp_path: Path) -> None:
    """The one that it would have left in the termination log."""
    say = "import os; open(os.environ['TERMINATION_LOG'], 'w').write('word'); raise SystemExit(81)"

    assert run_alone(python(say), StopFlag(), log=tmp_path / "log.txt").last_word == "word"


def test_log_has_all_that_was_printed_below_what_was_there(tmp_path: Path) -> None:
    """A second attempt does not write over the first one's."""
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    run_alone(python("import sys; print(1, flush=True); sys.exit('2')"), StopFlag(), log=log)

    assert log.read_text() == "before\n1\n2\n"


def test_answer_on_standard_output_stays_the_callers(capfd: pytest.CaptureFixture[str]) -> None:
    """What a run prints is no part of the JSON that a sweep ends with."""
    run_alone(python("print('mine')"), StopFlag())

    said = capfd.readouterr()
    assert (said.out, "mine" in said.err) == ("", True)


def test_stop_is_passed_on_and_its_code_kept(tmp_path: Path) -> None:
    """By the same signal."""
    stop, log = StopFlag(), tmp_path / "log.txt"

    def ask_when_ready() -> None:
        if log.read_text():
            stop.request("SIGUSR1")

    outcome = run_alone(python(STOPS_WITH_75), stop, log=log, watch=ask_when_ready)

    assert outcome.code == ExitCode.INTERRUPTED


def test_watch_is_called_while_the_program_runs(tmp_path: Path) -> None:
    """So that a bar can move."""
    seen: list[float] = []
    run_alone(
        python("import time; time.sleep(0.3)"),
        StopFlag(),
        log=tmp_path / "log.txt",
        watch=lambda: seen.append(time.monotonic()),
    )

    assert len(seen) > 3


def test_flags_at_the_end_of_the_command_line_beat_all_others() -> None:
    """The interpreter's own options stay in front."""
    assert this_program("--seed", "1")[0] == sys.executable
    assert this_program("--seed", "1")[1:] == [*sys.orig_argv[1:], "--seed", "1"]
