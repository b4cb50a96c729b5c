"""A linear layer by hand does what torch's autograd does."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from job import layers
from job.layers import Bf16Layer, Fp32Layer, Layer, forward_of
from job.model import build

CPU = torch.device("cpu")
BATCH = 7
WIDTHS = [pytest.param(30, 128, id="wide"), pytest.param(30, 10, id="narrow")]
# fp32 sums in another order; bf16 numbers have eight bits.
TOLERANCE: dict[type[Layer], float] = {Fp32Layer: 1e-6, Bf16Layer: 2e-2}


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Draw the same weights and images in any order of the tests."""
    torch.manual_seed(0)


@pytest.fixture(params=[True, False], ids=["oneDNN", "MKL"])
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library that is faster here, and as on a machine without it."""
    if not request.param:
        monkeypatch.setattr(layers, "_onednn_fits", lambda _layer: False)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("kind", [Fp32Layer, Bf16Layer])
@pytest.mark.parametrize(("inside", "outside"), WIDTHS)
@pytest.mark.parametrize("rectify", [True, False])
def test_outputs_are_those_of_the_linear_layer(
    kind: type[Layer], inside: int, outside: int, *, rectify: bool
) -> None:
    """Bias and ReLU included."""
    linear, inputs = nn.Linear(inside, outside), torch.rand(BATCH, inside)
    wanted = functional.relu(linear(inputs)) if rectify else linear(inputs)

    outputs = _make(kind, linear).forward(_as(kind, inputs), rectify=rectify)

    _require_close(outputs, wanted, TOLERANCE[kind])


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("kind", [Fp32Layer, Bf16Layer])
@pytest.mark.parametrize(("inside", "outside"), WIDTHS)
def test_gradients_are_those_of_autograd(kind: type[Layer], inside: int, outside: int) -> None:
    """By the inputs as returned, by weight and bias as added to them."""
    linear, slope = nn.Linear(inside, outside), torch.rand(BATCH, outside)
    inputs = torch.rand(BATCH, inside, requires_grad=True)
    linear(inputs).backward(slope)
    wanted = [_stepped(linear.weight), _stepped(linear.bias)]
    layer = _make(kind, linear)
    layer.forward(_as(kind, inputs.detach()), rectify=False)

    below = layer.backward(_as(kind, slope))
    layer.descend(_as(kind, slope), _as(kind, inputs.detach()), -0.5)

    assert inputs.grad is not None
    _require_close(below, inputs.grad, TOLERANCE[kind])
    _require_close(linear.weight.data, wanted[0], TOLERANCE[kind])
    _require_close(linear.bias.data, wanted[1], TOLERANCE[kind])


def test_fast_forward_gives_the_logits_of_the_network() -> None:
    """For evaluation the layers stand for the network, dropout off."""
    network, images = build(0, 0.5, CPU).eval(), torch.rand(BATCH, 1, 28, 28)
    fast = forward_of(network)

    assert fast is not network
    with torch.inference_mode():
        _require_close(fast(images), network(images), 1e-6)


def test_unknown_network_is_its_own_forward() -> None:
    """What is not the quickstart's network is not taken apart."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    assert forward_of(network) is network


def test_fast_forward_follows_the_training() -> None:
    """It reads the weights of the moment, no copies."""
    network, images = build(0, 0.0, CPU), torch.rand(BATCH, 1, 28, 28)
    fast = forward_of(network)
    with torch.no_grad():
        before = fast(images).clone()
        network.state_dict()["linear_relu_stack.0.bias"].add_(1)

        assert not torch.equal(fast(images), before)


def _make(kind: type[Layer], linear: nn.Linear) -> Layer:
    return Fp32Layer(linear) if kind is Fp32Layer else Bf16Layer(linear)


def _as(kind: type[Layer], value: Tensor) -> Tensor:
    return value.to(torch.bfloat16) if kind is Bf16Layer else value


def _stepped(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return (parameter - 0.5 * parameter.grad).detach()


def _require_close(seen: Tensor, wanted: Tensor, tolerance: float) -> None:
    scale = float(wanted.detach().abs().max())
    assert float((seen.detach().float() - wanted.detach()).abs().max()) <= tolerance * scale
