"""Judges what nvidia-smi said: its answer, the driver's age, the state of each GPU."""

import re
from typing import Final

from job.preflight.nvidia_smi import Failure, Gpu, Report
from job.preflight.verdict import Finding

GIVE_GPU: Final = (
    "give the job a GPU: docker run --gpus all (with the NVIDIA container toolkit on the host), "
    "podman run --device nvidia.com/gpu=all (with its CDI description), "
    "sbatch --gpus-per-node=1, or resources.limits nvidia.com/gpu in the pod"
)
REMEDIES: Final[dict[Failure, str]] = {
    "missing": GIVE_GPU,
    "no devices": GIVE_GPU,
    "mismatch": (
        "reload the driver or reboot the node: the kernel module and the library differ, "
        "as after an update of the driver without a restart"
    ),
    "no driver": (
        "load the NVIDIA kernel module (modprobe nvidia) or install the driver on the node; "
        "after an update of the kernel the module must be built anew"
    ),
    "no library": (
        "run the container with --gpus all, under podman with --device nvidia.com/gpu=all, so that "
        "the host's driver libraries are mounted; "
        "on a bare node install the driver's libraries"
    ),
    "no permission": (
        "let this user open /dev/nvidia*: ask the scheduler for a GPU, or check the device's "
        "group and, under SELinux, container_use_devices"
    ),
    "detached": (
        "restart the container: it lost its GPU devices, as after a systemctl daemon-reload "
        "on the host with systemd cgroups"
    ),
    "lost gpu": (
        "reboot or drain the node: a GPU has fallen off the bus (look for Xid 79 in the kernel log)"
    ),
    "hang": (
        "restart the node if the kernel log (dmesg) has NVRM or Xid errors; if nvidia-smi is only "
        "slow, start nvidia-persistenced, without which each call sets all GPUs up anew"
    ),
    "unreadable": "run nvidia-smi by hand and compare: another program may stand under its name",
    "other": "run nvidia-smi by hand on this node and follow what it says",
}
# The table "minor version compatibility" of NVIDIA's CUDA compatibility guide, newest first.
LEAST_DRIVER: Final = {13: 580, 12: 525, 11: 450}


def judge_answer(report: Report) -> Finding:
    """Whether nvidia-smi answered, with the GPUs that it listed."""
    if report.failure is not None:
        return Finding("fail", f"{report.failure}: {report.said}", REMEDIES[report.failure])
    names = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in report.gpus)
    return Finding("pass", f"driver {report.driver}, CUDA up to {report.driver_cuda}; {names}")


def judge_driver(driver: str | None, wheel_cuda: str | None) -> Finding:
    """Whether `driver` (as `580.65.06`) can run a torch that was built for CUDA `wheel_cuda`."""
    if driver is None:
        return Finding("skip", "not tried: nvidia-smi did not name the driver")
    if wheel_cuda is None:
        return Finding("skip", f"driver {driver}; this torch is built without CUDA")
    least = LEAST_DRIVER.get(_major(wheel_cuda))
    if least is None:
        seen = f"driver {driver}; no driver is known to be enough for CUDA {wheel_cuda}"
        return Finding("warn", seen, "compare with NVIDIA's CUDA compatibility guide")
    seen = f"driver {driver}; CUDA {wheel_cuda} needs {least} or newer"
    if _major(driver) >= least:
        return Finding("pass", seen)
    return Finding("fail", seen, _newer_driver_or_older_wheel(_major(driver), least))


def judge_gpu(gpu: Gpu) -> Finding:
    """Whether the GPU is sound: a fail for faults, a warning for what only slows it."""
    state = _state(gpu)
    if gpu.faults or gpu.uncorrected_errors:
        remedy = f"drain the node and reset the GPU: nvidia-smi --gpu-reset -i {gpu.index}"
        return Finding("fail", state, f"{remedy}; replace it if the fault comes back")
    if gpu.slowdowns:
        return Finding("warn", state, "check cooling and power supply: the clocks are held back")
    if _is_half_full(gpu):
        return Finding("warn", state, "see with nvidia-smi which program holds the memory")
    return Finding("pass", state)


def _major(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 0


def _newer_driver_or_older_wheel(driver: int, least: int) -> str:
    usable = [cuda for cuda, needed in LEAST_DRIVER.items() if driver >= needed]
    remedy = f"install driver {least} or newer on the node"
    return f"{remedy}, or a torch wheel built for CUDA {usable[0]}" if usable else remedy


def _is_half_full(gpu: Gpu) -> bool:
    if gpu.memory_total_mib is None or gpu.memory_used_mib is None:
        return False
    return gpu.memory_used_mib > gpu.memory_total_mib / 2


def _state(gpu: Gpu) -> str:
    facts = (
        gpu.uuid,
        _fact(gpu.memory_total_mib, "{:.0f} MiB"),
        _fact(gpu.memory_used_mib, "{:.0f} MiB used"),
        _fact(gpu.temperature_celsius, "{:.0f} °C"),
        _fact(gpu.power_watts, "{:.0f} W"),
        _fact(gpu.ecc, "ECC {}"),
        _fact(gpu.uncorrected_errors, "{:.0f} uncorrected errors"),
        _fact(gpu.mig, "MIG {}"),
        *gpu.slowdowns,
        *gpu.faults,
    )
    return f"{gpu.name}: " + ", ".join(fact for fact in facts if fact)


def _fact(value: float | str | None, form: str) -> str:
    return "" if value is None else form.format(value)
