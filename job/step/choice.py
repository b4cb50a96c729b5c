"""Picks the implementation of the step for a device, an update and a precision."""

from typing import Literal

import torch
from torch import nn

from job.errors import SettingsError
from job.step.contract import Precision, Step, Update
from job.step.eager import EagerStep
from job.step.fused import FusedStep, what_fused_lacks

Kind = Literal["auto", "eager", "fused"]


def make_step(
    model: nn.Module, update: Update, batch_size: int, *, kind: Kind, precision: Precision
) -> Step:
    """Return the step named `kind`; `auto` is the fastest one proven for what is asked.

    Raises `SettingsError` for a step that does not know the update, the precision or the device.
    """
    device = next(model.parameters()).device
    require_supported(precision, device.type)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    obstacle = _obstacle_to_fusing(update, precision, device)
    if kind == "fused" and obstacle:
        raise SettingsError(
            f"JOB_STEP=fused with {obstacle}",
            allowed="plain SGD in fp32 on the cpu",
            fix="set JOB_STEP=auto, which picks the fastest step that fits",
        )
    if kind == "eager" or obstacle:
        return EagerStep(model, update, precision)
    return FusedStep(model, update.schedule, batch_size)


def _obstacle_to_fusing(update: Update, precision: Precision, device: torch.device) -> str:
    if device.type != "cpu":
        return f"the device {device.type}"
    if precision != "fp32":
        return f"JOB_PRECISION={precision}"
    return what_fused_lacks(update)


def require_supported(precision: Precision, device_type: str) -> None:
    """Raise `SettingsError` for an arithmetic that the device does not have."""
    if precision == "tf32" and device_type != "cuda":
        raise SettingsError(
            f"JOB_PRECISION=tf32 on the device {device_type}",
            allowed="fp32 or bf16 there; tf32 is an arithmetic of NVIDIA GPUs",
            fix="unset JOB_PRECISION, or set JOB_DEVICE=cuda on a node with a GPU",
        )
