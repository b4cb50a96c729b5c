"""The program: `train` catches the stop signals early, the other commands end at once."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from conftest import small_job_command
from job.data.spec import DatasetSpec

# The import of the module named first sends the signal, as if it came from outside at that moment.
SIGNAL_AT_IMPORT: Final = """
import os, signal, sys
class Signal:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGTERM)
module = sys.argv.pop(1)
sys.meta_path.insert(0, Signal())
from job.__main__ import main
sys.exit(main())
"""


def signalled_at(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The program with a SIGTERM at the import of `module`."""
    command = [sys.executable, "-c", SIGNAL_AT_IMPORT, module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_signal_during_the_import_of_torch_is_honoured(tmp_path: Path) -> None:
    """The handlers are there before torch is, and the stop is found once it is looked for."""
    done = signalled_at("torch", "--data-offline")

    assert done.returncode == 75
    assert "SIGTERM" in json.loads(done.stderr.splitlines()[-1])["reason"]
    assert (tmp_path / "output" / "attempts.jsonl").exists()
    assert not (tmp_path / "output" / "metrics.json").exists()


def test_other_commands_end_at_a_signal() -> None:
    """They have nothing to save, and Ctrl-C is to work at once."""
    assert signalled_at("job.explain", "explain").returncode == -signal.SIGTERM


def test_process_ends_at_once_with_all_that_it_has_said() -> None:
    """Nothing is unloaded, which takes torch most of a second, and no word is lost."""
    code = (
        "import atexit; from job.__main__ import leave; atexit.register(print, 'late');"
        "print('said', end=''); leave(75)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout) == (75, "said")


@pytest.mark.parametrize(
    "streams",
    ["2> >(head -1)", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"],
    ids=["reader is gone", "disk is full", "closed"],
)
def test_log_that_nobody_takes_costs_no_training(
    small_data: tuple[Path, DatasetSpec], tmp_path: Path, streams: str
) -> None:
    """Words are lost, and nothing else: the results are there, and the code says so."""
    command = f"{shlex.join(small_job_command(small_data))} --log-format=console {streams}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False, timeout=120
    )

    assert done.returncode == 0
    assert (tmp_path / "output" / "metrics.json").exists()


def test_answer_that_cannot_be_written_is_an_error() -> None:
    """`python -m job schema >file` on a full disk says so, with the code of a volume."""
    command = f"{sys.executable} -m job schema >/dev/full"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 73
    assert "cannot write standard output: No space left on device" in done.stderr


def test_reader_who_has_seen_enough_is_no_error() -> None:
    """`python -m job schema | true` ends well."""
    command = f"set -o pipefail; {sys.executable} -m job schema | true"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
