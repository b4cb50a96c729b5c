"""Picks the implementation of the step for a device, an update and a precision."""

from typing import Literal

import torch
from torch import nn

from job.errors import SettingsError
from job.step.contract import Precision, Step, Update
from job.step.eager import EagerStep


def make_step(
    model: nn.Module, update: Update, *, kind: Literal["auto", "eager"], precision: Precision
) -> Step:
    """Return the step named `kind`; `auto` is the fastest one proven for the model's device."""
    device = next(model.parameters()).device
    require_supported(precision, device.type)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return {"auto": EagerStep, "eager": EagerStep}[kind](model, update, precision)


def require_supported(precision: Precision, device_type: str) -> None:
    """Raise `SettingsError` for an arithmetic that the device does not have."""
    if precision == "tf32" and device_type != "cuda":
        raise SettingsError(
            f"JOB_PRECISION=tf32 on the device {device_type}",
            allowed="fp32 or bf16 there; tf32 is an arithmetic of NVIDIA GPUs",
            fix="unset JOB_PRECISION, or set JOB_DEVICE=cuda on a node with a GPU",
        )
