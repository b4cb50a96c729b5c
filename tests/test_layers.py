"""A linear layer by hand does what torch's autograd does."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from job import layers
from job.layers import Bf16Layer, Bf16Weights, Fp32Layer, Layer, forward_of
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
        monkeypatch.setattr(layers, "_onednn_fits", lambda *_: False)


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
    layer, _ = _make(kind, linear)

    outputs = layer.forward(_as(kind, inputs), rectify=rectify)

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
    layer, weights = _make(kind, linear)

    below = layer.backward(_as(kind, slope))
    layer.ascend(_as(kind, slope), _as(kind, inputs.detach()), -0.5)
    weights.ascend(-0.5)

    assert inputs.grad is not None
    _require_close(below, inputs.grad, TOLERANCE[kind])
    _require_close(linear.weight.data, wanted[0], TOLERANCE[kind])
    _require_close(linear.bias.data, wanted[1], TOLERANCE[kind])


def test_weights_in_one_buffer_are_still_the_layers_own() -> None:
    """What is loaded into a layer is what the next copies hold, and no other layer's."""
    first, second = nn.Linear(3, 4), nn.Linear(4, 5)
    weights = Bf16Weights([first, second])
    with torch.no_grad():
        first.weight.fill_(2)
        second.weight.fill_(3)

    weights.refresh()

    assert [copy.unique().tolist() for copy in weights.copies] == [[2], [3]]
    assert [copy.shape for copy in weights.copies] == [(4, 3), (5, 4)]


@pytest.mark.parametrize("supported", [True, False])
def test_bf16_is_oneDNNs_only_where_it_has_the_instructions(  # noqa: N802  # its name
    monkeypatch: pytest.MonkeyPatch, *, supported: bool
) -> None:
    """Elsewhere its product raises, and torch's own takes over."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)

    assert layers._onednn_fits(nn.Linear(8, 64), torch.bfloat16) is supported
    assert layers._onednn_fits(nn.Linear(8, 64), torch.float32)


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


def _make(kind: type[Layer], linear: nn.Linear) -> tuple[Layer, Bf16Weights]:
    """A layer with the weights that end its step; for fp32 those of some other layer."""
    if kind is Fp32Layer:
        return Fp32Layer(linear), Bf16Weights([nn.Linear(1, 1)])
    weights = Bf16Weights([linear])
    weights.refresh()
    return Bf16Layer(linear, weights.copies[0], weights.slopes[0]), weights


def _as(kind: type[Layer], value: Tensor) -> Tensor:
    return value.to(torch.bfloat16) if kind is Bf16Layer else value


def _stepped(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return (parameter - 0.5 * parameter.grad).detach()


def _require_close(seen: Tensor, wanted: Tensor, tolerance: float) -> None:
    scale = float(wanted.detach().abs().max())
    assert float((seen.detach().float() - wanted.detach()).abs().max()) <= tolerance * scale
