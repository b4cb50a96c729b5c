"""The step that is picked is the fastest one that was proven for what is asked."""

import pytest
import torch

from job.errors import SettingsError
from job.model import build
from job.schedule import constant
from job.step import Precision, Step, Update, make_step, require_supported
from job.step.choice import Kind

CPU = torch.device("cpu")
QUICKSTART = Update("sgd", constant(1e-3))
NESTEROV = Update("sgd", constant(1e-3), momentum=0.9, nesterov=True)


def pick(kind: Kind, update: Update = QUICKSTART, precision: Precision = "fp32") -> Step:
    """The step for the quickstart's network on the CPU."""
    return make_step(build(0, 0.0, CPU), update, 64, kind=kind, precision=precision)


def test_auto_is_the_fastest_step_that_fits() -> None:
    """Plain SGD is fused; what the fused step does not know goes the eager way."""
    assert pick("auto").name == "fused"
    assert pick("auto", NESTEROV).name == "eager"
    assert pick("auto", precision="bf16").name == "eager"


@pytest.mark.parametrize("kind", ["eager", "fused"])
def test_step_that_was_named_is_taken(kind: Kind) -> None:
    """The record names what was really used."""
    assert pick(kind).name == kind


@pytest.mark.parametrize(
    ("update", "precision", "named"),
    [(NESTEROV, "fp32", "JOB_MOMENTUM"), (QUICKSTART, "bf16", "JOB_PRECISION=bf16")],
)
def test_fused_step_that_does_not_fit_is_refused(
    update: Update, precision: Precision, named: str
) -> None:
    """Asked for by name it is not silently another one."""
    with pytest.raises(SettingsError, match=f"JOB_STEP=fused with {named}"):
        pick("fused", update, precision)


@pytest.mark.parametrize("device_type", ["cpu", "mps"])
def test_tf32_is_refused_where_there_is_none(device_type: str) -> None:
    """Nobody measures an arithmetic that was silently another one."""
    require_supported("bf16", device_type)
    with pytest.raises(SettingsError, match=f"JOB_PRECISION=tf32 on the device {device_type}"):
        require_supported("tf32", device_type)


def test_step_of_an_arithmetic_that_is_not_there_is_not_made() -> None:
    """The refusal comes before the first batch."""
    with pytest.raises(SettingsError, match="JOB_PRECISION=tf32"):
        pick("eager", precision="tf32")
