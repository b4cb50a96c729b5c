"""The step that is picked is the fastest one that was proven for what is asked."""

from typing import Literal

import pytest
import torch

from job.errors import SettingsError
from job.model import build
from job.schedule import constant
from job.step import Update, make_step, require_supported

CPU = torch.device("cpu")
QUICKSTART = Update("sgd", constant(1e-3))


@pytest.mark.parametrize("device_type", ["cpu", "mps"])
def test_tf32_is_refused_where_there_is_none(device_type: str) -> None:
    """Nobody measures an arithmetic that was silently another one."""
    require_supported("bf16", device_type)
    with pytest.raises(SettingsError, match=f"JOB_PRECISION=tf32 on the device {device_type}"):
        require_supported("tf32", device_type)


def test_step_of_an_arithmetic_that_is_not_there_is_not_made() -> None:
    """The refusal comes before the first batch."""
    with pytest.raises(SettingsError, match="JOB_PRECISION=tf32"):
        make_step(build(0, 0.0, CPU), QUICKSTART, kind="eager", precision="tf32")


@pytest.mark.parametrize("kind", ["auto", "eager"])
def test_step_on_the_cpu_is_the_eager_one(kind: Literal["auto", "eager"]) -> None:
    """The record names what was really used."""
    assert make_step(build(0, 0.0, CPU), QUICKSTART, kind=kind, precision="fp32").name == "eager"
