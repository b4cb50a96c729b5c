"""entrypoint.sh chooses between the job and what was asked for, and then gets out of the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SCRIPT: Final = ROOT / "entrypoint.sh"
ENVIRONMENT: Final = "/opt/venv"
# Says what it was started with, as one JSON value.
WITNESS: Final = f"""\
#!{sys.executable}
import json, os, sys
seen = {{name: value for name, value in os.environ.items() if name.startswith("JOB_")}}
print(json.dumps({{"argv": sys.argv[1:], "settings": seen, "pid": os.getpid()}}))
"""

Seen = dict[str, Any]


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A program that stands where the image has its python."""
    program = tmp_path / "witness"
    program.write_text(WITNESS)
    program.chmod(0o755)
    return program


@pytest.fixture
def entrypoint(tmp_path: Path, witness: Path) -> Path:
    """The script that ships, with the witness in place of the image's python."""
    copy = tmp_path / "entrypoint.sh"
    copy.write_text(SCRIPT.read_text().replace(f"{ENVIRONMENT}/bin/python", str(witness)))
    copy.chmod(SCRIPT.stat().st_mode)
    return copy


def start(entrypoint: Path, *arguments: str | Path, **settings: str) -> Seen:
    """What the program saw that the entrypoint became, and its process id as `started`."""
    process = subprocess.Popen(
        [entrypoint, *arguments], env={"PATH": os.environ["PATH"], **settings}, stdout=-1, text=True
    )
    output, _ = process.communicate(timeout=10)
    return {**json.loads(output), "started": process.pid}


@pytest.mark.parametrize(
    "flags", [[], ["--epochs", "3"], ["-h"], ["--output-dir", "a b", "", "*", "$HOME", "it's"]]
)
def test_flag_or_nothing_runs_the_job(entrypoint: Path, flags: list[str]) -> None:
    """Every flag reaches the job as it was written, empty words and blanks included."""
    assert start(entrypoint, *flags)["argv"] == ["-m", "job", *flags]


@pytest.mark.parametrize("words", [[], ["-c", "x"], ["train", "a b", "", "--flag", "*"]])
def test_anything_else_runs_as_given(entrypoint: Path, witness: Path, words: list[str]) -> None:
    """A program's name first means that program, with its own words."""
    assert start(entrypoint, witness, *words)["argv"] == words


def test_places_have_defaults(entrypoint: Path) -> None:
    """Results go to the volume, and a mounted dataset is found; nothing else is decided here."""
    expected = {"JOB_OUTPUT_DIR": "/output", "JOB_DATA_DIR": "/data"}

    assert start(entrypoint)["settings"] == expected
    assert start(entrypoint, JOB_OUTPUT_DIR="", JOB_DATA_DIR="")["settings"] == expected


def test_settings_of_the_user_win(entrypoint: Path, witness: Path) -> None:
    """What was set is passed on, also to a program of the user's choice."""
    chosen = {"JOB_OUTPUT_DIR": "/mnt/o", "JOB_DATA_DIR": "/mnt/d", "JOB_EPOCHS": "2"}

    assert start(entrypoint, **chosen)["settings"] == chosen
    assert start(entrypoint, witness, **chosen)["settings"] == chosen


def test_script_becomes_the_program(entrypoint: Path, witness: Path) -> None:
    """PID 1 must be the job: a shell that waits in between would keep SIGTERM to itself."""
    for seen in (start(entrypoint), start(entrypoint, witness)):
        assert seen["pid"] == seen["started"]


def test_exit_code_and_signal_reach_the_caller(entrypoint: Path) -> None:
    """Schedulers decide by the code."""
    for script, code in (("exit 75", 75), ("kill -TERM $$", -signal.SIGTERM)):
        assert subprocess.run([str(entrypoint), "sh", "-c", script], check=False).returncode == code


def test_program_that_is_not_there_is_127(entrypoint: Path) -> None:
    """A misspelt command ends as it does in a shell."""
    command = [str(entrypoint), "no-such-program"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 127
    assert "no-such-program" in result.stderr


def test_python_of_the_entrypoint_is_the_one_that_is_installed() -> None:
    """Script and Dockerfile speak of the same environment, and the Dockerfile of this script."""
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert f"set -- {ENVIRONMENT}/bin/python -m job" in SCRIPT.read_text()
    assert f"COPY --from=cuda-packages {ENVIRONMENT} {ENVIRONMENT}\n" in dockerfile
    assert 'ENTRYPOINT ["/entrypoint.sh"]' in dockerfile
