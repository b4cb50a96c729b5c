"""The bench of the GPU keeps what it measured, and only when it has measured all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from bars import GPU_COMMAND

import gpu

ROWS: Final[list[dict[str, Any]]] = [
    {"name": "a", "median_ms": 2.0, "least_ms": 1.0, "most_ms": 3.0, "runs": 9},
    {"name": "b", "note": "left out: exit code 1"},
]


@pytest.fixture
def _measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that measures two rows at once."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "_facts", lambda: {"device": "A GPU"})
    monkeypatch.setattr(gpu, "_rows", lambda *_: iter(ROWS))


def test_without_a_gpu_older_numbers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says what is wanting, fails, and touches nothing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    kept = tmp_path / "gpu.json"
    kept.write_text("older")

    with pytest.raises(SystemExit, match="needs a GPU"):
        gpu.main([str(tmp_path), "--to", str(kept)])
    assert kept.read_text() == "older"


@pytest.mark.usefixtures("_measuring")
def test_table_is_printed_and_numbers_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """People read the one, docs/performance.md is made of the other."""
    kept = tmp_path / "results" / "gpu.json"
    gpu.main([str(tmp_path), "--to", str(kept)])

    assert json.loads(kept.read_text()) == {"device": "A GPU", "rows": ROWS}
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["a", "2.00"],
        ["b", "left"],
    ]


@pytest.mark.usefixtures("_measuring")
def test_without_a_file_the_last_line_is_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine that keeps no files still tells its numbers."""
    gpu.main([str(tmp_path)])

    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == ROWS


@pytest.mark.usefixtures("_measuring")
def test_bench_that_is_cut_off_leaves_the_older_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a table would look like a whole one."""

    def cut_off(*_: object) -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "_rows", cut_off)
    kept = tmp_path / "gpu.json"
    kept.write_text("older")

    with pytest.raises(KeyboardInterrupt):
        gpu.main([str(tmp_path), "--to", str(kept)])
    assert kept.read_text() == "older"


def test_printed_command_is_one_that_the_script_takes() -> None:
    """docs/performance.md tells it, and the numbers are looked for where it puts them."""
    python, script, *arguments = GPU_COMMAND.split()
    given = gpu._parse(arguments)

    assert (python, script) == ("python", "bench/gpu.py")
    assert given.to == Path("bench/results/gpu.json")
