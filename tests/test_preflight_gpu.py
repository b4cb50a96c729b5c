"""Claims about `job.preflight.gpu`: the CPU stands in for the GPU's arithmetic."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch

from job.preflight.cuda import CudaDevice
from job.preflight.gpu import (
    GPU_CHECKS,
    CudaInspection,
    compute_checks,
    inspect_mps,
    leave_out_gpu_checks,
)
from job.preflight.verdict import Check

FAKES = Path(__file__).parent / "fakes"
UUIDS = [f"0000000{index}-aaaa-bbbb-cccc-0123456789ab" for index in (0, 1)]
Scenario = Callable[[str], None]


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Put the stand-in on PATH; called with the name of what it is to play."""
    monkeypatch.setenv("PATH", f"{FAKES}{os.pathsep}{os.environ['PATH']}")
    return lambda name: monkeypatch.setenv("FAKE_NVIDIA_SMI", name)


def _inspect(
    *found: CudaDevice,
    error: str = "",
    gpu_is_wanted: bool = True,
    wanted: Literal["auto"] | int = "auto",
) -> CudaInspection:
    def start() -> tuple[CudaDevice, ...]:
        if error:
            raise RuntimeError(error)
        return found

    inspection = CudaInspection(wanted, time.monotonic() + 8, start)
    inspection.run()
    inspection.settle(gpu_is_wanted=gpu_is_wanted)
    return inspection


def _device(uuid: str = UUIDS[0]) -> CudaDevice:
    return CudaDevice(torch.device("cpu"), "stand-in", uuid, (9, 0))


def _named(inspection: CudaInspection) -> dict[str, Check]:
    return {check.name: check for check in inspection.checks}


def test_all_checks_run_where_cuda_works(scenario: Scenario) -> None:
    """Each check has a row, and those of a GPU name it."""
    scenario("healthy")
    checks = _named(_inspect(_device()))
    names = "nvidia-smi, driver, cuda, libcuda, health 0, gpu count, kernels cpu, matmul cpu"
    assert list(checks) == [*names.split(", "), "copies cpu"]
    for name in ("nvidia-smi", "cuda", "health 0", "gpu count", "matmul cpu"):
        assert checks[name].verdict == "pass"


def test_gpu_of_another_process_is_not_judged(scenario: Scenario) -> None:
    """Only the GPUs that this process sees count, found by their UUID."""
    scenario("two-gpus")
    inspection = _inspect(_device(UUIDS[1]))
    assert [gpu.index for gpu in inspection.gpus] == [1]
    assert "health 0" not in _named(inspection)


def test_all_gpus_are_judged_where_none_can_be_told(scenario: Scenario) -> None:
    """A MIG instance has a UUID of its own, which nvidia-smi's list does not have."""
    scenario("two-gpus")
    assert len(_inspect(_device("MIG-other")).gpus) == 2


def test_only_gpus_that_will_be_used_compute(scenario: Scenario) -> None:
    """One process leaves the second GPU alone, and the idle one is a warning."""
    scenario("two-gpus")
    inspection = _inspect(_device(), _device(UUIDS[1]), wanted=1)
    assert [check.name for check in inspection.checks].count("matmul cpu") == 1
    assert _named(inspection)["gpu count"].verdict == "warn"


@pytest.mark.parametrize("name", ["no-permission", "garbage", "old-driver"])
def test_nvidia_smi_only_warns_where_cuda_works(scenario: Scenario, name: str) -> None:
    """Some containers lack it, and forward compatibility outdoes an old driver."""
    scenario(name)
    checks = _inspect(_device()).checks
    assert "warn" in {check.verdict for check in checks if check.name in ("nvidia-smi", "driver")}
    assert all(check.verdict != "fail" for check in checks if check.name != "kernels cpu")


def test_lost_gpu_fails_though_the_others_work(scenario: Scenario) -> None:
    """A node that has lost a GPU is not sound, whatever CUDA says of the rest."""
    scenario("lost-gpu")
    assert _named(_inspect(_device()))["nvidia-smi"].verdict == "fail"


def test_failed_cuda_keeps_torchs_words_and_a_remedy(scenario: Scenario) -> None:
    """The first check that fails tells why, those that stand on it are not tried."""
    scenario("healthy")
    checks = _named(_inspect(error="No CUDA GPUs are available"))
    assert checks["cuda"].verdict == "fail"
    assert checks["cuda"].seen == "No CUDA GPUs are available"
    assert "CUDA_VISIBLE_DEVICES" in checks["cuda"].remedy
    for name in ("gpu count", "kernels", "matmul", "copies"):
        assert (checks[name].verdict, checks[name].seen[:9]) == ("skip", "not tried")


@pytest.mark.parametrize(
    ("name", "error", "trace"),
    [
        ("no-devices", "No CUDA GPUs are available", False),
        ("no-devices", "Error 804: forward compatibility", True),
        ("healthy", "Torch not compiled with CUDA enabled", True),
        ("mismatch", "Found no NVIDIA driver", True),
    ],
)
def test_trace_of_a_gpu_is_what_either_of_them_sees(
    scenario: Scenario, name: str, error: str, trace: bool
) -> None:
    """A node is without a GPU only if both nvidia-smi and torch say so."""
    scenario(name)
    inspection = _inspect(error=error, gpu_is_wanted=False)
    assert inspection.leaves_trace == trace
    verdicts = {check.verdict for check in inspection.checks}
    assert ("fail" in verdicts) == trace


def test_node_without_a_gpu_fails_if_one_is_wanted(scenario: Scenario) -> None:
    """The same findings are skips or fails, by what was asked for."""
    scenario("no-devices")
    error = "No CUDA GPUs are available"
    wanted = _named(_inspect(error=error, gpu_is_wanted=True))
    unwanted = _named(_inspect(error=error, gpu_is_wanted=False))
    assert (wanted["cuda"].verdict, unwanted["cuda"].verdict) == ("fail", "skip")
    assert unwanted["cuda"].seen == f"no GPU on this node: {error}"


def test_second_compute_check_is_left_out_if_the_first_fails() -> None:
    """A device that cannot multiply is not measured."""
    # The meta device has no numbers, so its product cannot be compared.
    product, copies = compute_checks(torch.device("meta"), time.monotonic() + 5)
    assert (product.verdict, copies.verdict) == ("fail", "skip")
    assert copies.seen == "not tried: matmul meta failed"


def test_metal_is_checked_as_far_as_it_is_there() -> None:
    """Arithmetic is tried only on a device that exists."""
    names = [check.name for check in inspect_mps(time.monotonic() + 5)]
    assert names == (
        ["mps", "matmul mps", "copies mps"] if torch.backends.mps.is_available() else ["mps"]
    )


def test_all_gpu_checks_can_be_left_out() -> None:
    """Each is named with the same reason."""
    checks = leave_out_gpu_checks("not asked")
    assert [check.name for check in checks] == list(GPU_CHECKS)
    assert {(check.verdict, check.seen) for check in checks} == {("skip", "not asked")}
