"""Claims about `job.preflight.node`: nvidia-smi is played, and so is torch's search for GPUs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from job.errors import OutputError, UnfitNodeError
from job.preflight import cuda, node
from job.preflight.cuda import CudaDevice
from job.preflight.node import inspect
from job.preflight.result import AskedDevice, Preflight
from job.preflight.verdict import Check

FAKES = Path(__file__).parent / "fakes"
DEVICE = CudaDevice(torch.device("cpu"), "stand-in", "00000000-aaaa-bbbb-cccc-0123456789ab", (9, 0))
Scenario = Callable[[str], None]


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Put the stand-in on PATH; called with the name of what it is to play."""
    monkeypatch.setenv("PATH", f"{FAKES}{os.pathsep}{os.environ['PATH']}")
    return lambda name: monkeypatch.setenv("FAKE_NVIDIA_SMI", name)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch find no GPU, on a machine with one too; in torch's own words."""

    def start() -> tuple[CudaDevice, ...]:
        raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have one")

    monkeypatch.setattr(cuda, "start", start)


@pytest.fixture
def working_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch find one GPU, with the arithmetic of the CPU and kernels to match."""
    monkeypatch.setattr(cuda, "start", lambda: (DEVICE,))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])


def _inspect(output_dir: Path, device: AskedDevice = "auto") -> Preflight:
    return inspect(device=device, output_dir=output_dir, processes_per_node="auto")


def _verdicts(preflight: Preflight) -> dict[str, str]:
    return {check.name: check.verdict for check in preflight.checks}


def test_node_without_a_gpu_trains_on_the_cpu_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trace of a GPU is no fault under `auto`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    preflight = _inspect(tmp_path)
    assert (preflight.device, preflight.fit) == ("cpu", True)
    assert preflight.device_reason == "auto: no NVIDIA GPU on this node"
    assert _verdicts(preflight)["cuda"] == "skip"
    preflight.require_fit()


def test_quick_on_a_node_without_a_gpu(tmp_path: Path, scenario: Scenario) -> None:
    """Who has no GPU does not wait for the checks of one."""
    scenario("no-devices")
    assert _inspect(tmp_path).seconds < 2


@pytest.mark.usefixtures("working_gpu")
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_working_gpu_is_taken(tmp_path: Path, scenario: Scenario, device: AskedDevice) -> None:
    """The GPU is used and its facts are kept, whether it was asked for or found."""
    scenario("healthy")
    preflight = _inspect(tmp_path, device)
    assert (preflight.device, preflight.fit) == ("cuda", True)
    assert (preflight.driver, preflight.driver_cuda) == ("580.95.05", "13.0")
    assert [gpu.name for gpu in preflight.gpus] == ["NVIDIA H100 80GB HBM3"]
    preflight.require_fit()


@pytest.mark.usefixtures("working_gpu")
def test_gpu_with_memory_errors_is_passed_over(tmp_path: Path, scenario: Scenario) -> None:
    """A GPU that computes and yet is not sound is not taken by `auto`."""
    scenario("ecc-errors")
    preflight = _inspect(tmp_path)
    assert (preflight.device, preflight.fit) == ("cpu", False)
    assert "3 uncorrected errors" in preflight.device_reason


@pytest.mark.parametrize("name", ["healthy", "mismatch", "no-driver"])
def test_broken_gpu_is_passed_over_loudly(tmp_path: Path, scenario: Scenario, name: str) -> None:
    """A GPU that is there and cannot be used is no reason to stop `auto`, and none to be still."""
    scenario(name)
    preflight = _inspect(tmp_path)
    assert (preflight.device, preflight.fit, preflight.exit_code) == ("cpu", False, 69)
    assert "THIS NODE HAS A GPU THAT CANNOT BE USED (" in preflight.device_reason
    preflight.require_fit()


@pytest.mark.parametrize("name", ["no-devices", "mismatch", "healthy"])
def test_cuda_that_was_asked_for_and_is_unusable_is_unfit(
    tmp_path: Path, scenario: Scenario, name: str
) -> None:
    """No silent fallback: the run ends with 69, with what was seen and a remedy."""
    scenario(name)
    with pytest.raises(UnfitNodeError, match="cuda: Found no NVIDIA driver") as caught:
        _inspect(tmp_path, "cuda").require_fit()
    assert "--gpus all" in caught.value.fix
    assert "Please" not in caught.value.seen


def test_hanging_driver_leaves_time_for_the_rest(tmp_path: Path, scenario: Scenario) -> None:
    """CUDA is not tried after nvidia-smi hung, and all of it ends within ten seconds."""
    scenario("hang")
    preflight = _inspect(tmp_path)
    verdicts = _verdicts(preflight)
    assert (verdicts["nvidia-smi"], verdicts["cuda"]) == ("fail", "skip")
    assert verdicts["output write"] != "fail"
    assert preflight.seconds < 10


def test_cpu_that_was_asked_for_needs_no_gpu_checks(tmp_path: Path, scenario: Scenario) -> None:
    """A broken GPU is no business of a run on the CPU."""
    scenario("mismatch")
    preflight = _inspect(tmp_path, "cpu")
    assert (preflight.device, preflight.fit) == ("cpu", True)
    assert _verdicts(preflight)["nvidia-smi"] == "skip"


def test_metal_that_was_asked_for_and_is_not_there_is_unfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`JOB_DEVICE=mps` insists as `cuda` does."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    preflight = _inspect(tmp_path, "mps")
    assert preflight.device == "mps"
    with pytest.raises(UnfitNodeError, match="mps: "):
        preflight.require_fit()


def test_metal_is_taken_where_there_is_no_nvidia_gpu(
    tmp_path: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `auto` a Mac trains on its GPU, and its checks are kept."""
    scenario("no-devices")
    sound = [Check("mps", "pass", "torch sees a Metal device", "", 0.0, "node")]
    monkeypatch.setattr(node, "inspect_mps", lambda _: sound)
    preflight = _inspect(tmp_path)
    assert preflight.device == "mps"
    assert preflight.device_reason == "auto: no NVIDIA GPU on this node, and Metal works"
    assert _verdicts(preflight)["mps"] == "pass"


def test_unusable_volume_ends_the_run_on_any_device(tmp_path: Path, scenario: Scenario) -> None:
    """Without a place for the results there is nothing to train for: 73."""
    scenario("no-devices")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        _inspect(tmp_path / "file").require_fit()


@pytest.mark.usefixtures("working_gpu")
def test_preflight_can_be_written_as_json(tmp_path: Path, scenario: Scenario) -> None:
    """What the node looked like travels: GPUs, checks, time and name."""
    scenario("mig-on")
    written = json.loads(json.dumps(_inspect(tmp_path).as_json(), allow_nan=False))
    assert written["gpus"][0]["mig"] == "Enabled"
    assert written["inspected_at"].endswith("+00:00")
    assert written["node"]
