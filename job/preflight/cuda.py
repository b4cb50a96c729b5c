"""What torch makes of the GPU: does CUDA start, do kernels run, is the arithmetic right.

All that computes takes a `torch.device`, so the same code runs on cuda, mps and cpu.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import torch

from job.preflight.health import GIVE_GPU
from job.preflight.verdict import Finding

PRODUCT_SIDE: Final = 1024
COPY_BYTES: Final = 32 * 2**20
COPY_TRIES: Final = 3
# A Gen3 x16 link copies 12 GB/s; this is what a single lane of Gen4 is left with.
SLOW_COPY_GIGABYTES_PER_SECOND: Final = 2.0
MEMORY_MAPS: Final = Path("/proc/self/maps")


@dataclass(frozen=True)
class CudaDevice:
    """A GPU that torch can use; the UUID is without nvidia-smi's `GPU-`."""

    device: torch.device
    name: str
    uuid: str
    capability: tuple[int, int]

    @classmethod
    def of(cls, index: int, properties: Any) -> Self:
        """Device `index` with what `torch.cuda.get_device_properties` says of it."""
        capability = (properties.major, properties.minor)
        return cls(torch.device("cuda", index), properties.name, str(properties.uuid), capability)


@dataclass(frozen=True)
class Trouble:
    """A known way in which CUDA does not start."""

    text: str
    remedy: str
    gpu_is_there: bool = True


NO_CUDA: Final = (
    Trouble(
        "not compiled with CUDA",
        "install a torch wheel that is built for CUDA: this one is for the CPU only",
        gpu_is_there=False,
    ),
    Trouble("Found no NVIDIA driver", GIVE_GPU, gpu_is_there=False),
    Trouble(
        "No CUDA GPUs are available",
        "if nvidia-smi lists GPUs: unset CUDA_VISIBLE_DEVICES or let it name one of them, and with "
        f"MIG on create an instance; else {GIVE_GPU}",
        gpu_is_there=False,
    ),
    Trouble(
        "driver on your system is too old",
        "install a newer driver on the node, or a torch wheel built for an older CUDA",
    ),
    Trouble("Error 802", "start nvidia-fabricmanager on the node, and see that it stays up"),
    Trouble("Error 803", "reload the driver or reboot: its kernel module and libcuda differ"),
    Trouble(
        "Error 804",
        "take the compat folder of CUDA off the library path, or install a newer driver: "
        "this GPU does not support forward compatibility",
    ),
    Trouble(
        "busy or unavailable",
        "another process holds the GPU (nvidia-smi names it) or its compute mode is exclusive",
    ),
    Trouble("out of memory", "another process holds the memory of the GPU: nvidia-smi names it"),
)
UNKNOWN_TROUBLE: Final = Trouble(
    "",
    "look for NVRM and Xid in the kernel log (dmesg), reload nvidia_uvm or reboot the node, "
    "or take another",
)


def start() -> tuple[CudaDevice, ...]:
    """Start CUDA in this process; raises torch's own `RuntimeError` or `AssertionError`."""
    # is_available() would only warn of the reason; init() raises it.
    torch.cuda.init()
    count = torch.cuda.device_count()
    return tuple(CudaDevice.of(i, torch.cuda.get_device_properties(i)) for i in range(count))


def trouble_in(message: str) -> Trouble:
    """The known trouble that torch's `message` tells of."""
    return next((known for known in NO_CUDA if known.text in message), UNKNOWN_TROUBLE)


def judge_devices(devices: tuple[CudaDevice, ...]) -> Finding:
    """The GPUs that this process sees; the name of a MIG instance says that it is one."""
    names = ", ".join(f"{found.device}: {found.name}" for found in devices)
    return Finding("pass", f"torch {torch.__version__} for CUDA {torch.version.cuda}; {names}")


def judge_mps(is_built: bool, is_available: bool) -> Finding:
    """Whether Apple's Metal can be used."""
    if is_available:
        return Finding("pass", "torch sees a Metal device")
    if is_built:
        return Finding(
            "fail", "this Mac has no Metal device", "update macOS, or use JOB_DEVICE=cpu"
        )
    return Finding("fail", "this torch is built without Metal", "use an Apple Silicon Mac's torch")


def judge_count(visible: int, wanted: Literal["auto"] | int) -> Finding:
    """Whether there is a GPU for each process that was asked for."""
    seen = f"{visible} visible, {wanted} asked for"
    if wanted == "auto":
        return Finding("pass", seen)
    if wanted > visible:
        remedy = f"ask the scheduler for {wanted} GPUs, or set JOB_PROCESSES_PER_NODE={visible}"
        return Finding("fail", seen, remedy)
    if wanted < visible:
        return Finding("warn", seen, f"ask the scheduler for {wanted} GPUs only: the rest is idle")
    return Finding("pass", seen)


def judge_kernels(capability: tuple[int, int], built_for: Iterable[str]) -> Finding:
    """Whether the wheel has code for a GPU of `capability`, given `torch.cuda.get_arch_list()`."""
    built = list(built_for)
    major, minor = capability
    seen = f"capability {major}.{minor}, wheel built for {' '.join(built)}"
    if any(_is_binary_for(name, major, minor) for name in built):
        return Finding("pass", seen)
    if any(_is_portable_to(name, major, minor) for name in built):
        return Finding("pass", f"{seen}; PTX is compiled at the first use, which takes a while")
    return Finding("fail", seen, f"install a torch wheel built for sm_{major}{minor}")


def _is_binary_for(name: str, major: int, minor: int) -> bool:
    if (parts := re.fullmatch(r"sm_(\d+)(\d)([af]?)", name)) is None:
        return False
    built_major, built_minor, kind = int(parts[1]), int(parts[2]), parts[3]
    # sm_90a runs on 9.0 alone; without the letter also on later minors of the same major.
    fits_minor = built_minor == minor if kind == "a" else built_minor <= minor
    return built_major == major and fits_minor


def _is_portable_to(name: str, major: int, minor: int) -> bool:
    parts = re.fullmatch(r"compute_(\d+)(\d)", name)
    return parts is not None and (int(parts[1]), int(parts[2])) <= (major, minor)


def check_product(device: torch.device) -> Finding:
    """Multiply two fp32 matrices on `device` and on the CPU, and compare each number."""
    # Small whole numbers are exact in fp32 and TF32 in any order of summing, so any difference is
    # a fault of the hardware; a generator of its own leaves the job's random numbers alone.
    numbers = torch.Generator().manual_seed(0)
    shape = (2, PRODUCT_SIDE, PRODUCT_SIDE)
    left, right = torch.randint(-8, 9, shape, generator=numbers).float()
    return judge_product((left.to(device) @ right.to(device)).cpu(), left @ right)


def judge_product(actual: torch.Tensor, expected: torch.Tensor) -> Finding:
    """Whether all numbers agree; NaN agrees with nothing."""
    wrong = int((actual != expected).sum())
    if wrong == 0:
        return Finding("pass", f"{' x '.join(map(str, expected.shape))} in fp32 equals the CPU's")
    seen = f"{wrong} of {expected.numel()} numbers differ from the CPU's"
    return Finding(
        "fail", seen, "drain the node and test the GPU (dcgmi diag -r 3): it miscomputes"
    )


def check_copies(device: torch.device) -> Finding:
    """Measure copies from host memory to `device` and back, the best of a few tries each."""
    host = torch.ones(COPY_BYTES, dtype=torch.uint8, pin_memory=device.type == "cuda")
    there = torch.zeros(COPY_BYTES, dtype=torch.uint8, device=device)
    return judge_copies(_gigabytes_per_second(there, host), _gigabytes_per_second(host, there))


def judge_copies(upward: float, downward: float) -> Finding:
    """Whether the link to the GPU is as wide as it should be, given GB/s in both directions."""
    seen = f"{upward:.1f} GB/s to the device, {downward:.1f} GB/s back"
    if min(upward, downward) >= SLOW_COPY_GIGABYTES_PER_SECOND:
        return Finding("pass", seen)
    remedy = "see with nvidia-smi -q whether the PCIe link has its full width and generation"
    return Finding("warn", seen, f"{remedy}; a loaded host slows copies too")


def _gigabytes_per_second(target: torch.Tensor, source: torch.Tensor) -> float:
    times = []
    for _ in range(COPY_TRIES):
        started = time.perf_counter()
        target.copy_(source)  # blocks, because it is not asked not to
        times.append(time.perf_counter() - started)
    return source.numel() / min(times) / 1e9


def mapped_libcuda(maps: Path = MEMORY_MAPS) -> list[str]:
    """The driver libraries in this process, none where the system has no list of mappings."""
    if not maps.exists():
        return []
    lines = maps.read_text(errors="replace").splitlines()
    return sorted({line.split(maxsplit=5)[5] for line in lines if "/libcuda.so" in line})


def judge_libcuda(paths: list[str]) -> Finding:
    """Whether the mapped libcuda is the driver's own."""
    if not paths:
        return Finding("skip", "no libcuda is mapped into this process")
    if not any("compat" in path for path in paths):
        return Finding("pass", ", ".join(paths))
    remedy = "fine on datacenter GPUs; elsewhere CUDA stops with error 804: take the compat folder"
    return Finding("warn", ", ".join(paths), f"{remedy} off the library path, or update the driver")
