"""The GPU checks in their order; one that stands on a failed one is left out and says so.

What a failure means depends on what else is there, so the verdicts are settled last: an old or
missing nvidia-smi is a warning where CUDA works, and nothing at all on a node without a GPU.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import torch

from job.preflight import cuda
from job.preflight.cuda import CudaDevice
from job.preflight.health import judge_answer, judge_driver, judge_gpu
from job.preflight.nvidia_smi import Gpu, Report, ask
from job.preflight.verdict import Check, Finding, Verdict, leave_out, perform

GPU_CHECKS: Final = (
    "nvidia-smi",
    "driver",
    "cuda",
    "libcuda",
    "health",
    "gpu count",
    "kernels",
    "matmul",
    "copies",
)
COMPUTE_CHECKS: Final = ("kernels", "matmul", "copies")
TOLD_BY_NVIDIA_SMI: Final = ("nvidia-smi", "driver")


class CudaInspection:
    """Asks nvidia-smi and torch, and judges what both say."""

    def __init__(
        self,
        processes_per_node: Literal["auto"] | int,
        deadline: float,
        start: Callable[[], tuple[CudaDevice, ...]],
    ) -> None:
        """Nothing is asked yet; `start` finds GPUs or raises as torch does.

        `deadline` is of `time.monotonic`.
        """
        self.report = Report()
        self.devices: tuple[CudaDevice, ...] = ()
        self.checks: list[Check] = []
        self._processes_per_node = processes_per_node
        self._deadline = deadline
        self._start = start
        self._torch_sees_none = False

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that this process sees, or all of the node where CUDA tells none of them."""
        uuids = {f"GPU-{found.uuid}" for found in self.devices}
        return tuple(gpu for gpu in self.report.gpus if gpu.uuid in uuids) or self.report.gpus

    @property
    def leaves_trace(self) -> bool:
        """Whether anything speaks for a GPU, be it a broken one."""
        nvidia_smi_sees_none = self.report.failure in ("missing", "no devices")
        return not (nvidia_smi_sees_none and self._torch_sees_none)

    def run(self) -> None:
        """Perform all checks, each at most once."""
        self._perform("nvidia-smi", self._ask_nvidia_smi)
        self._perform("driver", lambda: judge_driver(self.report.driver, torch.version.cuda))
        self._perform("cuda", self._start_cuda)
        self._perform("libcuda", lambda: cuda.judge_libcuda(cuda.mapped_libcuda()))
        for gpu in self.gpus:
            self._perform(f"health {gpu.index}", partial(judge_gpu, gpu))
        if self.devices:
            self._check_devices()
        else:
            self._leave_out("not tried: CUDA did not start")

    def settle(self, *, gpu_is_wanted: bool) -> None:
        """Let the verdicts say what they mean once all is known."""
        if self.devices and self.report.failure != "lost gpu":
            self.checks = [_soften(check, "warn", TOLD_BY_NVIDIA_SMI) for check in self.checks]
        if not gpu_is_wanted and not self.leaves_trace:
            self.checks = [_soften(check, "skip", GPU_CHECKS) for check in self.checks]

    def _perform(self, name: str, probe: Callable[[], Finding]) -> None:
        self.checks.append(perform(name, probe, part="node", deadline=self._deadline))

    def _ask_nvidia_smi(self) -> Finding:
        self.report = ask()
        return judge_answer(self.report)

    def _start_cuda(self) -> Finding:
        if self.report.failure == "hang":
            return Finding("skip", "not tried: it would wait for the driver as nvidia-smi did")
        try:
            self.devices = self._start()
        except (RuntimeError, AssertionError) as error:
            trouble = cuda.trouble_in(str(error))
            self._torch_sees_none = not trouble.gpu_is_there
            return Finding("fail", str(error).partition(" Please ")[0], trouble.remedy)
        return cuda.judge_devices(self.devices)

    def _check_devices(self) -> None:
        visible, wanted = len(self.devices), self._processes_per_node
        self._perform("gpu count", lambda: cuda.judge_count(visible, wanted))
        built_for = torch.cuda.get_arch_list()
        for found in self.devices[: None if wanted == "auto" else wanted]:
            probe = partial(cuda.judge_kernels, found.capability, built_for)
            self._perform(f"kernels {found.device}", probe)
            self.checks += compute_checks(found.device, self._deadline)

    def _leave_out(self, reason: str) -> None:
        names = ("gpu count", *COMPUTE_CHECKS)
        self.checks += [leave_out(name, reason, part="node") for name in names]


def inspect_mps(deadline: float) -> list[Check]:
    """The checks of Apple's Metal device."""
    is_built, is_available = torch.backends.mps.is_built(), torch.backends.mps.is_available()
    probe = partial(cuda.judge_mps, is_built, is_available)
    checks = [perform("mps", probe, part="node", deadline=deadline)]
    return checks + compute_checks(torch.device("mps"), deadline) if is_available else checks


def compute_checks(device: torch.device, deadline: float) -> list[Check]:
    """Does `device` compute rightly, and how fast is the way to it; the first failure ends it."""
    checks: list[Check] = []
    probes = {"matmul": cuda.check_product, "copies": cuda.check_copies}
    for name, probe in probes.items():
        if checks and checks[-1].verdict == "fail":
            reason = f"not tried: {checks[-1].name} failed"
            return [*checks, leave_out(f"{name} {device}", reason, part="node")]
        found = perform(f"{name} {device}", partial(probe, device), part="node", deadline=deadline)
        checks.append(found)
    return checks


def leave_out_gpu_checks(reason: str) -> list[Check]:
    """All GPU checks, none of them run."""
    return [leave_out(name, reason, part="node") for name in GPU_CHECKS]


def _soften(check: Check, verdict: Verdict, names: tuple[str, ...]) -> Check:
    if check.verdict != "fail" or check.name not in names:
        return check
    seen = f"no GPU on this node: {check.seen}" if verdict == "skip" else check.seen
    return replace(check, verdict=verdict, seen=seen)
