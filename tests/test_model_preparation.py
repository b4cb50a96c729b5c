"""Claims about `job.model.preparation`."""

import pytest
import torch
from torch import nn
from torchvision.transforms.v2.functional import normalize, resize

from job.model.preparation import Preparation, Prepared, bare

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", [(28, 28), (32, 48), (100, 64)])
def test_images_are_resized_and_normalised_as_torchvision_does(size: tuple[int, int]) -> None:
    """Up and down, and from other shapes than squares."""
    images = torch.rand(2, 3, *size)
    expected = normalize(
        resize(images, [48, 48], antialias=True), mean=list(MEAN), std=list(DEVIATION)
    )

    seen = Preparation(48, MEAN, DEVIATION)(images)

    assert torch.allclose(seen, expected, atol=1e-6)


def test_preparation_leaves_no_trace_in_the_weights() -> None:
    """A file of weights is the network's own, and so is a checkpoint but for the prefix."""
    network = nn.Conv2d(3, 2, 1)
    prepared = Prepared(Preparation(8, MEAN, DEVIATION), network)

    assert list(prepared.state_dict()) == ["network.weight", "network.bias"]
    assert bare(prepared) is network
    assert bare(network) is network


def test_preparation_moves_with_the_network() -> None:
    """Its numbers lie where the images are; `meta` stands for any device that is not the CPU."""
    prepared = Prepared(Preparation(8, MEAN, DEVIATION), nn.Conv2d(3, 2, 1)).to("meta")

    assert prepared(torch.rand(1, 3, 4, 4, device="meta")).device.type == "meta"
