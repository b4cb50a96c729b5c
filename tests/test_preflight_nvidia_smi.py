"""Claims about `job.preflight.nvidia_smi`, against a stand-in that has the real texts."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from job.preflight.nvidia_smi import Failure, ask

FAKES = Path(__file__).parent / "fakes"
Scenario = Callable[[str], None]


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Put the stand-in on PATH; called with the name of what it is to play."""
    monkeypatch.setenv("PATH", f"{FAKES}{os.pathsep}{os.environ['PATH']}")
    return lambda name: monkeypatch.setenv("FAKE_NVIDIA_SMI", name)


def _other_processes_in(folder: Path) -> list[str]:
    return [
        process.name
        for process in Path("/proc").glob("[0-9]*")
        if process.name != str(os.getpid()) and _is_in(process, folder)
    ]


def _is_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def test_healthy_gpu_is_read_to_the_last_field(scenario: Scenario) -> None:
    """Each fact lands in its own field, in its own unit."""
    scenario("healthy")
    report = ask()
    (gpu,) = report.gpus
    assert (report.failure, report.driver, report.driver_cuda) == (None, "580.95.05", "13.0")
    assert (gpu.index, gpu.name) == (0, "NVIDIA H100 80GB HBM3")
    assert gpu.uuid == "GPU-00000000-aaaa-bbbb-cccc-0123456789ab"
    assert (gpu.memory_total_mib, gpu.memory_used_mib) == (81559, 1)
    assert (gpu.ecc, gpu.uncorrected_errors, gpu.mig) == ("Enabled", 0, "Disabled")
    assert (gpu.temperature_celsius, gpu.power_watts) == (31, 69.05)
    assert (gpu.slowdowns, gpu.faults) == ((), ())


def test_all_gpus_are_listed(scenario: Scenario) -> None:
    """One value per row of the answer."""
    scenario("two-gpus")
    assert [gpu.index for gpu in ask().gpus] == [0, 1]


def test_older_driver_is_asked_again_by_the_older_name(scenario: Scenario) -> None:
    """A driver that calls the slowdowns by their older name is read all the same."""
    scenario("old-driver")
    report = ask()
    assert (report.failure, report.driver, report.driver_cuda) == (None, "470.256.02", "11.4")


def test_newer_driver_names_its_cuda_version_differently(scenario: Scenario) -> None:
    """The head of `-q` is read in both of its wordings."""
    scenario("new-driver")
    report = ask()
    assert (report.driver, report.driver_cuda) == ("610.57.04", "13.3")


def test_slowdowns_are_named(scenario: Scenario) -> None:
    """The bits that hold a GPU back become words; an idle GPU has none."""
    scenario("throttled")
    (gpu,) = ask().gpus
    assert gpu.slowdowns == ("hardware slowdown", "hardware thermal slowdown", "power brake")


def test_fields_that_are_not_told_are_none(scenario: Scenario) -> None:
    """`[N/A]` and its kin are no values and no faults, `[Insufficient Permissions]` included."""
    scenario("mig-on")
    report = ask()
    (gpu,) = report.gpus
    assert report.failure is None
    assert gpu.mig == "Enabled"
    assert (gpu.memory_used_mib, gpu.uncorrected_errors, gpu.power_watts) == (None, None, None)
    assert (gpu.slowdowns, gpu.faults) == ((), ())


def test_fault_in_place_of_a_value_is_kept(scenario: Scenario) -> None:
    """`[GPU requires reset]` is not one of the ways to say nothing."""
    scenario("needs-reset")
    (gpu,) = ask().gpus
    assert gpu.faults == ("[GPU requires reset]",)
    assert gpu.mig is None


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("no-devices", "no devices"),
        ("mismatch", "mismatch"),
        ("no-driver", "no driver"),
        ("no-library", "no library"),
        ("no-permission", "no permission"),
        ("detached", "detached"),
        ("garbage", "unreadable"),
        ("other", "other"),
    ],
)
def test_ways_to_fail_are_told_apart(scenario: Scenario, name: str, failure: Failure) -> None:
    """Each text of nvidia-smi's is known, and kept for people."""
    scenario(name)
    report = ask()
    assert (report.failure, report.gpus) == (failure, ())
    assert report.said


@pytest.mark.parametrize(
    ("name", "failure"), [("lost-gpu", "lost gpu"), ("corrupt-inforom", "other")]
)
def test_gpus_that_answer_are_kept_beside_one_that_fails(
    scenario: Scenario, name: str, failure: Failure
) -> None:
    """A complaint about one GPU does not hide the others."""
    scenario(name)
    report = ask()
    assert (report.failure, len(report.gpus)) == (failure, 1)


def test_missing_program_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without nvidia-smi on PATH nothing is started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask().failure == "missing"


def test_program_that_cannot_start_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file of that name that is no program does not end the preflight."""
    program = tmp_path / "nvidia-smi"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = ask()
    assert report.failure == "other"
    assert "Exec format error" in report.said


def test_hang_is_told_apart_and_ends_in_time(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An nvidia-smi that never answers is given up, and leaves no child behind."""
    scenario("hang")
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    report = ask(seconds=0.3)
    assert report.failure == "hang"
    assert "0.3 s" in report.said
    assert time.monotonic() - started < 3
    # The kernel may take a moment to bury a child that was killed.
    while _other_processes_in(tmp_path) and time.monotonic() - started < 3:
        time.sleep(0.01)
    assert _other_processes_in(tmp_path) == []


@pytest.mark.parametrize("arguments", [[], ["-L"], ["--query-gpu=name", "--format=csv"]])
def test_stand_in_rejects_what_the_product_does_not_ask(
    scenario: Scenario, arguments: list[str]
) -> None:
    """The stand-in knows no more than its use, so a changed question is seen."""
    scenario("healthy")
    done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Invalid combination of input arguments" in done.stdout
