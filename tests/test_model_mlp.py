"""Claims about `job.model.mlp`."""

import pytest
import torch
from torch import Tensor, nn

from job.model import NeuralNetwork, build, count_parameters

CPU = torch.device("cpu")


class _Quickstart(nn.Module):
    """The network as the tutorial "Build the Neural Network" writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(x)
        logits: Tensor = self.linear_relu_stack(x)
        return logits


def _images() -> Tensor:
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def test_logits_equal_the_quickstarts_to_the_bit() -> None:
    """The same seed gives what the tutorial's own class gives."""
    torch.manual_seed(7)
    quickstart = _Quickstart()

    assert torch.equal(build(7, 0.0, CPU)(_images()), quickstart(_images()))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_state_dict_has_the_quickstarts_names_and_shapes(dropout: float) -> None:
    """Weights of the tutorial fit, with dropout and without."""
    shapes = {name: value.shape for name, value in NeuralNetwork(dropout).state_dict().items()}

    assert list(shapes) == [
        f"linear_relu_stack.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")
    ]
    assert shapes == {name: value.shape for name, value in _Quickstart().state_dict().items()}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_network_has_669_706_parameters(dropout: float) -> None:
    """784 · 512 + 512, 512 · 512 + 512 and 512 · 10 + 10."""
    assert count_parameters(NeuralNetwork(dropout)) == 669_706


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_weights_depend_on_the_seed_alone(dropout: float) -> None:
    """Neither dropout nor what was drawn before changes them; another seed does."""
    torch.manual_seed(99)
    torch.rand(3)
    seen, expected = build(3, dropout, CPU).state_dict(), build(3, 0.0, CPU).state_dict()
    other = build(4, 0.0, CPU).state_dict()

    assert all(torch.equal(seen[name], expected[name]) for name in expected)
    assert not any(torch.equal(seen[name], other[name]) for name in expected)


def test_dropout_silences_units_in_training_only() -> None:
    """A prediction does not depend on chance."""
    plain, dropping = build(0, 0.0, CPU), build(0, 0.5, CPU)

    assert not torch.equal(dropping(_images()), plain(_images()))
    assert torch.equal(dropping.eval()(_images()), plain(_images()))


def test_network_is_built_on_the_device_that_was_named() -> None:
    """Every parameter lies there; `meta` stands for any device that is not the CPU."""
    model = build(0, 0.1, torch.device("meta"))

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_network_fits_other_images_and_classes() -> None:
    """The ends follow the data; what lies between is the quickstart's."""
    model = build(0, 0.0, CPU, inputs=3 * 32 * 32, classes=7)

    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    assert model.linear_relu_stack[2].weight.shape == (512, 512)
