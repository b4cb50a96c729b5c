"""Inspects the node that it runs on and chooses the device: within 10 s, without root."""

import platform
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from job.preflight import cuda
from job.preflight.gpu import CudaInspection, inspect_mps, leave_out_gpu_checks
from job.preflight.nvidia_smi import Gpu
from job.preflight.result import AskedDevice, Device, Preflight
from job.preflight.verdict import Check, perform
from job.preflight.volume import check_shared_memory, inspect_volume

# Both are counted from the start; a driver that hangs leaves the volume its share.
GPU_SECONDS: Final = 7.5
ALL_SECONDS: Final = 9.8


@dataclass(frozen=True)
class _Accelerator:
    checks: list[Check]
    device: Device
    reason: str
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    driver_cuda: str | None = None


def inspect(
    *, device: AskedDevice, output_dir: Path | None, processes_per_node: Literal["auto"] | int
) -> Preflight:
    """Check GPU, memory and `output_dir` (which is made), and choose; never raises for a finding.

    Without an `output_dir` the volume is left out: that of a run is inspected by rank 0.

    `Preflight.require_fit` turns what failed into the error that ends a run.
    """
    started = time.monotonic()
    accelerator = _inspect_device(device, processes_per_node, started + GPU_SECONDS)
    deadline = started + ALL_SECONDS
    memory = perform("shared memory", check_shared_memory, part="node", deadline=deadline)
    volume = () if output_dir is None else inspect_volume(output_dir, deadline)
    return Preflight(
        checks=(*accelerator.checks, memory, *volume),
        gpus=accelerator.gpus,
        asked=device,
        device=accelerator.device,
        device_reason=accelerator.reason,
        driver=accelerator.driver,
        driver_cuda=accelerator.driver_cuda,
        node=platform.node(),
        inspected_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - started,
    )


def _inspect_device(
    asked: AskedDevice, processes_per_node: Literal["auto"] | int, deadline: float
) -> _Accelerator:
    insisted = f"JOB_DEVICE={asked} asks for it"
    if asked == "cpu":
        return _Accelerator(leave_out_gpu_checks("JOB_DEVICE=cpu needs no GPU"), "cpu", insisted)
    if asked == "mps":
        return _Accelerator(inspect_mps(deadline), "mps", insisted)
    inspection = CudaInspection(processes_per_node, deadline, cuda.start)
    inspection.run()
    inspection.settle(gpu_is_wanted=asked == "cuda")
    if asked == "cuda":
        return _with_cuda(inspection, "cuda", insisted)
    return _choose(inspection, deadline)


def _choose(inspection: CudaInspection, deadline: float) -> _Accelerator:
    failed = [check for check in inspection.checks if check.verdict == "fail"]
    if inspection.devices and not failed:
        return _with_cuda(inspection, "cuda", "auto: the GPU passed all checks")
    why = _why_not_cuda(inspection, failed)
    mps_checks = inspect_mps(deadline)
    if any(check.verdict == "fail" for check in mps_checks):
        return _with_cuda(inspection, "cpu", f"auto: {why}")
    chosen = _with_cuda(inspection, "mps", f"auto: {why}, and Metal works")
    return replace(chosen, checks=[*chosen.checks, *mps_checks])


def _why_not_cuda(inspection: CudaInspection, failed: list[Check]) -> str:
    if not inspection.leaves_trace:
        return "no NVIDIA GPU on this node"
    faults = "; ".join(f"{check.name}: {check.seen}" for check in failed)
    return f"THIS NODE HAS A GPU THAT CANNOT BE USED ({faults})"


def _with_cuda(inspection: CudaInspection, device: Device, reason: str) -> _Accelerator:
    report = inspection.report
    return _Accelerator(
        inspection.checks, device, reason, inspection.gpus, report.driver, report.driver_cuda
    )
