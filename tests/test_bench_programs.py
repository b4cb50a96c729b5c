"""Whole programs are timed only if they end well and leave what they are to leave."""

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import programs
import pytest
from lineup import PROGRAMS
from programs import SAME_FILES, Folders, Program


def run_code(code: str, folders: Folders) -> list[str]:
    """The arguments of a program that is `code`, and is told the output folder."""
    return ["-c", code, str(folders.output)]


def test_program_that_fails_ends_the_bench_with_its_words() -> None:
    """Its time would be no measurement."""
    with pytest.raises(SystemExit, match=r"it ended with 3:\nno data"):
        programs.finish("it", ["-c", "import sys; sys.stderr.write('no data'); sys.exit(3)"])


def test_program_that_leaves_too_little_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without its artifacts did less work."""
    monkeypatch.setitem(programs.PROGRAMS, "it", Program(lambda _: ["-c", ""], ("model.pth",)))

    with pytest.raises(SystemExit, match=r"it left no model\.pth"):
        programs.run("it", tmp_path, tmp_path)


def test_no_setting_and_no_gpu_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench measures the defaults, on the processor."""
    monkeypatch.setenv("JOB_EPOCHS", "1")
    code = "import os; print([name for name in os.environ if 'JOB_' in name], end='');"
    code += "print(repr(os.environ['CUDA_VISIBLE_DEVICES']))"

    assert programs.finish("it", ["-c", code]) == "[]''\n"


def test_accuracy_and_phases_are_taken_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job's lies deeper than the script's."""
    records: dict[str, dict[str, Any]] = {
        "deep": {"evaluation": {"accuracy": 0.7}, "timings": {"data": 0.2}},
        "flat": {"accuracy": 0.7},
    }
    told = {}
    for name, record in records.items():
        code = "import json, pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir();"
        code += f"(p / 'metrics.json').write_text(json.dumps({record}))"
        monkeypatch.setitem(programs.PROGRAMS, name, Program(partial(run_code, code)))
        told[name] = programs.run(name, tmp_path, tmp_path)

    assert told["deep"].pop("seconds") > 0
    assert told["deep"] == {"accuracy": 0.7, "phases": {"data": 0.2}}
    assert told["flat"]["accuracy"] == 0.7
    assert "phases" not in told["flat"]


def test_programs_are_those_of_the_lineup() -> None:
    """But for the one in bf16, which is run once, for its accuracy."""
    assert programs.PROGRAMS.keys() == PROGRAMS.keys() | {"job-whole-bf16"}


def test_job_is_started_as_a_user_starts_it() -> None:
    """Its default recipe, on the processor, with the folders named and nothing else."""
    folders = Folders(Path("packed"), Path("unpacked"), Path("out"))

    assert programs.PROGRAMS["job-whole"].arguments(folders) == [
        *("-m", "job", "--device=cpu", "--data-dir=packed", "--output-dir=out")
    ]


def test_job_leaves_the_files_that_are_compared(
    small_job: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """The list is of files that it really writes."""
    small_job("--output-dir", tmp_path / "out", "--epochs", "1")

    assert [name for name in SAME_FILES if not (tmp_path / "out" / name).exists()] == []
