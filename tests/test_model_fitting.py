"""Claims about `job.model.fitting`: weights that were made for other images and classes."""

import pytest
import torch
from torch import Tensor, nn

from job.model.fitting import (
    first_convolution,
    fit_first_convolution,
    fit_kernel,
    start_from,
)

CLASSES = 4


def _network(channels: int = 3, classes: int = CLASSES) -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(channels, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 5, 1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, classes),
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_fitted_network_answers_as_on_the_same_image_in_every_channel(channels: int) -> None:
    """Grey in one channel is to the fitted one what grey in three was to the old one."""
    network = _network().eval()
    grey = torch.rand(2, 1, 8, 8)
    expected = network(grey.expand(-1, 3, -1, -1))

    fit_first_convolution(network, channels)

    assert torch.allclose(network(grey.expand(-1, channels, -1, -1)), expected, atol=1e-6)


def test_only_the_first_convolution_is_fitted() -> None:
    """It is the one that sees the images; a network without any stays as it is."""
    network = _network()
    fit_first_convolution(network, 1)
    linear = nn.Sequential(nn.Linear(2, 2))
    fit_first_convolution(linear, 1)

    assert first_convolution(network) == "0.0"
    assert first_convolution(linear) is None
    assert [m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)] == [1, 5]


def test_weights_of_the_same_network_are_taken_over_to_the_bit() -> None:
    """Nothing is fitted that fits, running statistics included."""
    network, other = _network(), _network()
    other(torch.rand(2, 3, 8, 8))

    assert start_from(network, other.state_dict(), CLASSES) == []
    assert all(
        torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items()
    )


def test_head_of_other_classes_stays_random_and_is_named() -> None:
    """All below it is taken over, the first kernel as a sum over the channels."""
    network, other = _network(channels=1), _network(classes=1000)
    given, head = other.state_dict(), network.state_dict()["3.weight"].clone()

    assert start_from(network, other.state_dict(), CLASSES) == ["3.weight", "3.bias"]
    seen = network.state_dict()
    assert torch.equal(seen["3.weight"], head)
    assert torch.equal(seen["0.0.weight"], fit_kernel(given["0.0.weight"], 1))
    assert torch.equal(seen["0.2.weight"], given["0.2.weight"])


def test_side_answers_of_a_file_are_passed_over() -> None:
    """Googlenet's file has two more heads, which only its authors' training uses."""
    state = {**_network().state_dict(), "aux1.fc.weight": torch.zeros(3)}

    assert start_from(_network(), state, CLASSES) == []


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ({}, "lacks 0.0.weight and 10 more"),
        ({**_network().state_dict(), "more": torch.zeros(1)}, "has more, which"),
        ({**_network().state_dict(), "3.weight": torch.zeros(4, 6)}, "3.weight is"),
        ({**_network().state_dict(), "0.0.weight": torch.zeros(5, 3, 5, 5)}, "0.0.weight is"),
        ({**_network().state_dict(), "0.0.weight": torch.zeros(())}, "0.0.weight is"),
        (
            {**_network().state_dict(), "0.0.weight": torch.zeros(1).expand(5, 10**12, 3, 3)},
            "0.0.weight is",
        ),
    ],
)
@pytest.mark.timeout(20)
def test_weights_of_another_network_are_refused(state: dict[str, Tensor], cause: str) -> None:
    """By name and shape; a kernel that only claims to be large is not summed up."""
    with pytest.raises(ValueError, match=cause):
        start_from(_network(), state, CLASSES)
