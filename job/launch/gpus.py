"""How many GPUs CUDA would show to a process of this node, told without starting CUDA.

`NVIDIA_VISIBLE_DEVICES` is not asked: it tells a container runtime what to mount, and nvidia-smi
shows what was mounted.
"""

from collections.abc import Callable

from job.preflight import nvidia_smi
from job.preflight.nvidia_smi import Gpu, Report


def count_visible(listed: str | None, ask: Callable[[], Report] = nvidia_smi.ask) -> int:
    """GPUs of this node that `listed`, the value of `CUDA_VISIBLE_DEVICES`, leaves visible.

    nvidia-smi is asked only if that could make them more than one. If it lists none, there are
    none: why, the preflight of the training process says. With MIG on, CUDA shows a process one
    instance, however many there are.
    """
    names = None if listed is None else [name.strip() for name in listed.split(",")]
    if names is not None and len(names) < 2:  # noqa: PLR2004  # one or none is one process
        return 1 if names[0] not in ("", "-1") else 0
    gpus = ask().gpus
    if any(gpu.mig == "Enabled" for gpu in gpus):
        return 1
    return len(gpus) if names is None else _count_named(names, gpus)


def _count_named(names: list[str], gpus: tuple[Gpu, ...]) -> int:
    """As CUDA does it: a name that is no GPU hides those after it, one given twice hides all."""
    found: list[Gpu] = []
    for name in names:
        matching = [gpu for gpu in gpus if _is_named(gpu, name)]
        if len(matching) != 1:
            break
        found += matching
    return len(found) if len({gpu.uuid for gpu in found}) == len(found) else 0


def _is_named(gpu: Gpu, name: str) -> bool:
    return gpu.uuid.startswith(name) if name.startswith("GPU-") else name == str(gpu.index)
