"""Claims about `job.acceptance`: `python -m job preflight`, for people and for programs."""

import json
import os
import platform
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, parse

import pytest

from conftest import Program
from job import acceptance
from job.errors import ExitCode
from job.preflight import cuda
from job.settings import PreflightSettings

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


def _junit(path: Path) -> Element:
    root = parse(path).getroot()  # noqa: S314  # our own document
    assert root is not None
    return root


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
    settings = PreflightSettings(device="cpu", output_dir=tmp_path, log_format="console")
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
    assert (
        acceptance.answer(PreflightSettings(device="auto", output_dir=tmp_path))
        == ExitCode.FINISHED
    )
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
    settings = PreflightSettings(device="cuda", output_dir=tmp_path / "file" / "output")

    assert acceptance.answer(settings) == ExitCode.UNFIT_NODE


def test_both_reports_have_each_check_with_its_verdict(job: Program, tmp_path: Path) -> None:
    """A folder that is not there is made; what is printed and kept stays as it is."""
    xml, ctrf, output = tmp_path / "new" / "a.xml", tmp_path / "new" / "b.json", tmp_path / "output"
    flags = ("--device", "cpu", "--output-dir", output)
    done = job("preflight", *flags, "--junit", xml, JOB_CTRF=str(ctrf))

    assert (done.returncode, done.stderr) == (ExitCode.FINISHED, "")
    checks = {check["name"]: check["verdict"] for check in _kept(output)["checks"]}
    assert json.loads(done.stdout)["checks"] == _kept(output)["checks"]
    cases = _junit(xml).findall(".//testcase")
    assert [case.get("name") for case in cases] == list(checks)
    tests = json.loads(ctrf.read_text())["results"]["tests"]
    assert {test["name"]: test["rawStatus"] for test in tests} == checks


def test_unfit_node_is_reported_as_such(job: Program, tmp_path: Path) -> None:
    """The report is wanted then above all, with the exit code of the table."""
    xml, ctrf = tmp_path / "preflight.xml", tmp_path / "ctrf.json"
    flags = ("--device", "cuda", "--output-dir", tmp_path, "--junit", xml, "--ctrf", ctrf)
    done = job("preflight", *flags)

    assert done.returncode == ExitCode.UNFIT_NODE
    (failure, *_) = _junit(xml).iter("failure")
    assert "remedy: " in (failure.text or "")
    assert json.loads(ctrf.read_text())["results"]["summary"]["failed"] > 0


def test_unusable_output_volume_is_reported_as_such(tmp_path: Path) -> None:
    """The report lies where its flag says, which need not be on that volume."""
    (tmp_path / "file").touch()
    output, xml = tmp_path / "file" / "output", tmp_path / "preflight.xml"

    assert _answer(device="cpu", output_dir=output, junit=xml) == ExitCode.OUTPUT
    assert [case.get("name") for case in _failed(xml)] == ["output folder"]


def test_report_has_driver_gpus_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nvidia-smi tells them, on a node whose GPU torch cannot use, too."""
    monkeypatch.setenv("FAKE_NVIDIA_SMI", "healthy")
    _answer(device="cuda", output_dir=tmp_path, junit=tmp_path / "preflight.xml")
    facts = {
        each.get("name"): each.get("value")
        for each in _junit(tmp_path / "preflight.xml").iter("property")
    }

    assert (facts["driver"], facts["driver's CUDA"]) == ("580.95.05", "13.0")
    assert facts["GPU 0"] == "NVIDIA H100 80GB HBM3"
    assert facts["python"] == platform.python_version()
    assert {"node", "device", "job", "torch"} <= facts.keys()


@pytest.mark.parametrize("flag", ["--junit", "--ctrf"])
def test_report_that_cannot_be_written_is_73_before_the_inspection(
    job: Program, tmp_path: Path, flag: str
) -> None:
    """Path and cause are named, and the node was not touched."""
    (tmp_path / "file").touch()
    report, output = tmp_path / "file" / "report", tmp_path / "output"
    done = job("preflight", "--device", "cpu", "--output-dir", output, flag, report)

    assert (done.returncode, done.stdout) == (ExitCode.OUTPUT, "")
    told = json.loads(done.stderr)
    assert str(report.parent) in told["reason"]
    assert "Not a directory" in told["reason"] or "File exists" in told["reason"]
    assert told["fix"].startswith(f"give {flag} a file")
    assert not output.exists()


@pytest.mark.parametrize("flag", ["--junit", "--ctrf"])
def test_report_in_the_place_of_a_folder_is_73(job: Program, tmp_path: Path, flag: str) -> None:
    """The folder where one stands, too, which has no name."""
    done = job("preflight", "--device", "cpu", "--output-dir", tmp_path / "output", flag, ".")

    assert done.returncode == ExitCode.OUTPUT
    assert "it is a folder" in done.stderr


def test_inspection_that_never_ends_leaves_a_report_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the verdict of an earlier one: a node that hangs must not look fit."""
    xml = tmp_path / "preflight.xml"
    _answer(device="cpu", output_dir=tmp_path, junit=xml)
    assert _failed(xml) == []

    def go_down(**asked: Any) -> None:
        raise SystemExit(asked["device"])

    monkeypatch.setattr(acceptance, "inspect", go_down)
    with pytest.raises(SystemExit):
        _answer(device="cpu", output_dir=tmp_path, junit=xml)
    assert [case.get("name") for case in _failed(xml)] == ["inspection"]


def _answer(**settings: Any) -> ExitCode:
    return acceptance.answer(PreflightSettings(**settings))


def _failed(report: Path) -> list[Element]:
    cases = _junit(report).iter("testcase")
    return [case for case in cases if case.find("failure") is not None]
