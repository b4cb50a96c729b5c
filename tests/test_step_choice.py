"""The step that is picked is the fastest one that was proven for what is asked."""

import json
from dataclasses import replace

import pytest
import scaling
import structlog
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from job.errors import SettingsError
from job.model import NeuralNetwork, build
from job.schedule import constant
from job.step import Precision, Step, Update, choice, make_step, require_supported
from job.step.choice import SLOWDOWN, Kind
from job.world import ALONE, World

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
QUICKSTART = Update("sgd", constant(1e-3))
NESTEROV = Update("sgd", constant(1e-3), momentum=0.9, nesterov=True)


def pick(kind: Kind, update: Update = QUICKSTART, precision: Precision = "fp32") -> Step:
    """The step for the quickstart's network on the CPU."""
    return make_step(build(0, 0.0, CPU), update, 64, kind=kind, precision=precision)


def pick_on_a_gpu(
    kind: Kind,
    update: Update = QUICKSTART,
    precision: Precision = "fp32",
    *,
    resident: bool = True,
) -> Step:
    """The step for tensors that have a GPU as their device, and no values."""
    with FakeTensorMode(), CUDA:
        return make_step(
            NeuralNetwork(), update, 64, kind=kind, precision=precision, resident=resident
        )


def test_auto_is_the_fastest_step_that_fits() -> None:
    """Plain SGD is fused; what the fused step does not know goes the eager way."""
    assert pick("auto").name == "fused"
    assert pick("auto", NESTEROV).name == "eager"
    assert pick("auto", precision="bf16").name == "fused"


@pytest.mark.parametrize("kind", ["eager", "fused"])
def test_step_that_was_named_is_taken(kind: Kind) -> None:
    """The record names what was really used."""
    assert pick(kind).name == kind


def test_fused_step_that_does_not_fit_is_refused() -> None:
    """Asked for by name it is not silently another one."""
    with pytest.raises(SettingsError, match="JOB_STEP=fused with JOB_MOMENTUM"):
        pick("fused", NESTEROV)
    with pytest.raises(SettingsError, match="JOB_STEP=fused with the device cuda"):
        pick_on_a_gpu("fused")


def test_auto_takes_no_step_on_a_gpu_that_no_gpu_has_seen() -> None:
    """The graph step joins it when `make test-gpu` has passed."""
    assert pick_on_a_gpu("auto").name == "eager"


def test_auto_takes_what_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the graph step counts as proven it is taken where it fits, and only there."""
    monkeypatch.setattr(choice, "AUTOMATIC", ("fused", "graph"))

    assert pick("auto").name == "fused"
    assert pick_on_a_gpu("auto").name == "graph"
    assert pick_on_a_gpu("auto", NESTEROV).name == "eager"
    assert pick_on_a_gpu("auto", precision="bf16").name == "eager"
    assert pick_on_a_gpu("auto", resident=False).name == "eager"


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_graph_step_is_taken_on_a_gpu_when_it_is_named(precision: Precision) -> None:
    """It knows both arithmetics of a GPU's fp32 numbers."""
    assert pick_on_a_gpu("graph", precision=precision).name == "graph"


@pytest.mark.parametrize(
    ("update", "precision", "resident", "named"),
    [
        (NESTEROV, "fp32", True, "JOB_MOMENTUM"),
        (QUICKSTART, "bf16", True, "JOB_PRECISION=bf16"),
        (QUICKSTART, "fp32", False, "JOB_PIPELINE=dataloader"),
    ],
)
def test_graph_step_that_does_not_fit_is_refused(
    update: Update, precision: Precision, resident: bool, named: str
) -> None:
    """Asked for by name it is not silently another one."""
    with pytest.raises(SettingsError, match=f"JOB_STEP=graph with {named}"):
        pick_on_a_gpu("graph", update, precision, resident=resident)


def test_graph_step_is_refused_without_a_gpu() -> None:
    """A CPU has no graphs; the error says what to set instead."""
    with pytest.raises(SettingsError, match="JOB_STEP=graph with the device cpu") as caught:
        pick("graph")

    assert "cuda" in caught.value.allowed
    assert "JOB_STEP=auto" in caught.value.fix


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


def told_of_two_ranks(model: nn.Module) -> list[str]:
    """What the log says when two ranks are about to train `model`."""
    pair = World(replace(ALONE.placement, size=2))
    with structlog.testing.capture_logs() as events:
        step = make_step(model, QUICKSTART, 64, kind="auto", precision="fp32", world=pair)
    assert step.name == "shared"
    return [event["seen"] for event in events if "faster alone" in event["event"]]


def test_user_is_told_that_more_ranks_are_slower_for_the_measured_network_only() -> None:
    """However they were started; a larger network may gain by several ranks."""
    assert told_of_two_ranks(build(0, 0.0, CPU)) == [SLOWDOWN]
    assert told_of_two_ranks(nn.Linear(2, 2)) == []


def test_slowdown_that_the_user_is_told_is_the_measured_one() -> None:
    """That of the committed measurement."""
    measured = json.loads((scaling.RESULTS / "ranks.json").read_text())

    assert f" {scaling.slowdown(measured, '2').value:.2f} times as long" in SLOWDOWN
    assert f"{measured['machine']['cores']} cores" in SLOWDOWN
