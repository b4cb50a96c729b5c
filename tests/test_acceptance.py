"""Claims about `job.acceptance`: `python -m job preflight`, for people and for programs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import Program
from job import acceptance
from job.errors import ExitCode
from job.preflight import cuda
from job.settings import Settings

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no GPU be found, on a machine with one too."""
    monkeypatch.setenv("PATH", f"{FAKES}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_NVIDIA_SMI", "no-devices")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def start() -> tuple[cuda.CudaDevice, ...]:
        raise RuntimeError("No CUDA GPUs are available")

    monkeypatch.setattr(cuda, "start", start)


def _kept(output_dir: Path) -> Any:
    return json.loads((output_dir / "preflight.json").read_text())


def test_program_prints_json_where_there_is_no_terminal(job: Program, tmp_path: Path) -> None:
    """Standard output is the very document that is kept."""
    done = job("preflight", "--device", "cpu", "--output-dir", tmp_path / "output")

    assert (done.returncode, done.stderr) == (ExitCode.FINISHED, "")
    assert json.loads(done.stdout) == _kept(tmp_path / "output")
    assert _kept(tmp_path / "output")["exit_code"] == ExitCode.FINISHED


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checks stand in rows, and the document is kept all the same."""
    settings = Settings(device="cpu", output_dir=tmp_path, log_format="console")
    code = acceptance.answer(settings)
    shown = capsys.readouterr().out

    assert code == ExitCode.FINISHED
    assert "Preflight of" in shown
    for check in _kept(tmp_path)["checks"]:
        assert check["name"] in shown


def test_gpu_that_is_asked_for_and_not_there_is_69(job: Program, tmp_path: Path) -> None:
    """The node is unfit; what was seen is kept for whoever looks after it."""
    done = job("preflight", "--device", "cuda", "--output-dir", tmp_path)

    assert done.returncode == ExitCode.UNFIT_NODE
    assert json.loads(done.stdout) == _kept(tmp_path)
    assert _kept(tmp_path)["verdict"] == "fail"


def test_node_without_a_gpu_is_fit_under_auto(tmp_path: Path) -> None:
    """Training on the CPU is what it would do."""
    assert acceptance.answer(Settings(device="auto", output_dir=tmp_path)) == ExitCode.FINISHED
    assert _kept(tmp_path)["device"] == "cpu"


def test_output_below_a_regular_file_is_73(job: Program, tmp_path: Path) -> None:
    """The verdict is printed, and nothing is tried on a volume that failed."""
    (tmp_path / "file").touch()
    done = job("preflight", "--device", "cpu", "--output-dir", tmp_path / "file" / "output")
    told = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (ExitCode.OUTPUT, "")
    assert told["exit_code"] == ExitCode.OUTPUT
    assert "output folder" in [c["name"] for c in told["checks"] if c["verdict"] == "fail"]


def test_unfit_node_with_an_unusable_volume_is_69(tmp_path: Path) -> None:
    """The node is named first, because another one may also have the volume."""
    (tmp_path / "file").touch()
    settings = Settings(device="cuda", output_dir=tmp_path / "file" / "output")

    assert acceptance.answer(settings) == ExitCode.UNFIT_NODE
