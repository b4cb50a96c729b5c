"""Picks the implementation of the step for a device, an update and a precision."""

from typing import Final, Literal

import structlog
import torch
from torch import nn

from job.errors import SettingsError
from job.model import NeuralNetwork
from job.step.contract import Precision, Step, Update
from job.step.eager import EagerStep
from job.step.fused import FusedStep, what_fused_lacks
from job.step.graph import GraphStep
from job.step.shared import SharedStep
from job.world import ALONE, World

Kind = Literal["auto", "eager", "fused", "graph"]
FastKind = Literal["fused", "graph"]

# What `auto` may pick before "eager". No GPU has seen "graph" yet: it joins these when `make
# test-gpu` has passed on one.
AUTOMATIC: Final[tuple[FastKind, ...]] = ("fused",)
ALLOWED: Final[dict[FastKind, str]] = {
    "fused": "JOB_MODEL=mlp, plain SGD in fp32 or bf16 on the cpu",
    "graph": "JOB_MODEL=mlp, plain SGD in fp32 or tf32 on cuda, with JOB_PIPELINE=resident",
}
# bench/results/ranks.json, of this network; GPUs have not been measured.
SLOWDOWN: Final = "a step of two ranks took 3.30 times as long as one rank's (gloo, 2 cores)"

log = structlog.get_logger()


def make_step(  # noqa: PLR0913  # the values that decide, and no more
    model: nn.Module,
    update: Update,
    batch_size: int,
    *,
    kind: Kind,
    precision: Precision,
    resident: bool = True,
    world: World = ALONE,
) -> Step:
    """Return the step named `kind`; `auto` is the fastest one proven for what is asked.

    `resident` says whether the batches come from a split on the device. Raises `SettingsError` for
    a step that does not know the update, the precision, the device or the pipeline.
    """
    device = next(model.parameters()).device
    require_supported(precision, device.type)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    obstacles: dict[FastKind, str] = {
        "fused": _obstacle_to_fusing(update, device),
        "graph": _obstacle_to_graph(update, precision, device, resident=resident),
    }
    if not isinstance(model, NeuralNetwork):
        obstacles = dict.fromkeys(obstacles, "another network than JOB_MODEL=mlp")
    elif world.size > 1:
        obstacles = dict.fromkeys(obstacles, f"{world.size} ranks")
    if kind in ("fused", "graph") and obstacles[kind]:
        raise SettingsError(
            f"JOB_STEP={kind} with {obstacles[kind]}",
            allowed=ALLOWED[kind],
            fix="set JOB_STEP=auto, which picks the fastest step proven there",
        )
    if kind == "auto":
        kind = next((fast for fast in AUTOMATIC if not obstacles[fast]), "eager")
    if kind == "fused":
        return FusedStep(model, update.schedule, precision)
    if kind == "graph":
        return GraphStep(model, update.schedule, batch_size)
    return _eager(model, update, precision, world)


def _eager(model: nn.Module, update: Update, precision: Precision, world: World) -> Step:
    if world.size > 1:
        if isinstance(model, NeuralNetwork):
            fix = "one process: JOB_PROCESSES_PER_NODE=1, or one task"
            log.info("a small network is faster alone", seen=SLOWDOWN, fix=fix)
        return SharedStep(model, update, precision, world)
    return EagerStep(model, update, precision)


def _obstacle_to_fusing(update: Update, device: torch.device) -> str:
    return f"the device {device.type}" if device.type != "cpu" else what_fused_lacks(update)


def _obstacle_to_graph(
    update: Update, precision: Precision, device: torch.device, *, resident: bool
) -> str:
    if device.type != "cuda":
        return f"the device {device.type}"
    if precision == "bf16":
        return "JOB_PRECISION=bf16"
    if not resident:
        return "JOB_PIPELINE=dataloader"
    return what_fused_lacks(update)


def require_supported(precision: Precision, device_type: str) -> None:
    """Raise `SettingsError` for an arithmetic that the device does not have."""
    if precision == "tf32" and device_type != "cuda":
        raise SettingsError(
            f"JOB_PRECISION=tf32 on the device {device_type}",
            allowed="fp32 or bf16 there; tf32 is an arithmetic of NVIDIA GPUs",
            fix="unset JOB_PRECISION, or set JOB_DEVICE=cuda on a node with a GPU",
        )
