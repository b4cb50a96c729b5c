"""Claims about `job.model.networks`: the network that the settings name, for the data."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from job import weights
from job.errors import SettingsError
from job.model import NeuralNetwork, Wanted, bare, blank_copy, make, plain_copy, require_fit
from job.model.networks import require_known

CPU = torch.device("cpu")
GREY = (1, 28, 28)
MODULE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, channels, classes):
        super().__init__(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, classes))

def make(classes, channels):
    return Net(channels, classes)

def one_too_many(classes, channels):
    return Net(channels, classes + 1)

def a_number(classes, channels):
    return 5

def frozen(classes, channels):
    return Net(channels, classes).requires_grad_(False)

def nothing(classes, channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, classes)), nn.Flatten())

def with_a_frozen_part(classes, channels):
    network = Net(channels, classes)
    network[0].requires_grad_(False)
    return network
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def _made(name: str, shape: tuple[int, int, int] = GREY, **more: Any) -> nn.Module:
    return make(Wanted(name, shape, 10, **more), 5, CPU)


def test_default_is_the_quickstarts_network() -> None:
    """The same class, and the weights of the seed."""
    network = _made("mlp")
    torch.manual_seed(5)

    assert isinstance(network, NeuralNetwork)
    assert all(map(torch.equal, network.parameters(), NeuralNetwork().parameters()))


@pytest.mark.parametrize(
    "name", ["mlp", "mobilenet_v3_small", "own_networks:make", "own_networks:with_a_frozen_part"]
)
def test_network_fits_the_images_and_depends_on_the_seed_alone(name: str) -> None:
    """Whatever was drawn before."""
    wanted = Wanted(name, (3, 32, 40), 6)
    network = make(wanted, 1, CPU)
    torch.rand(3)

    require_fit(network, wanted)
    assert all(map(torch.equal, network.parameters(), make(wanted, 1, CPU).parameters()))


def test_own_network_sees_the_images_as_they_are_or_resized() -> None:
    """What else it wants of them it does itself."""
    plain, resized = _made("own_networks:make"), _made("own_networks:make", image_size=16)
    images = torch.rand(2, *GREY)
    small = nn.functional.interpolate(images, (16, 16), mode="bilinear", antialias=True)

    assert bare(plain) is plain
    assert torch.allclose(resized(images), plain(small))


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("own_networks:a_number", "returns int, which is no torch.nn.Module"),
        ("own_networks:one_too_many", r"returns \(2, 11\)"),
        ("own_networks:frozen", "none of its 4 parameters is trained"),
        ("own_networks:nothing", "none of its 0 parameters is trained"),
        ("squeezenet1_1", "raises RuntimeError"),
    ],
)
def test_network_that_does_not_fit_is_a_settings_error(name: str, cause: str) -> None:
    """It is told before the first step; the classes and the size are named."""
    wanted = Wanted(name, GREY, 10, image_size=8 if name == "squeezenet1_1" else None)
    with pytest.raises(SettingsError, match=cause):
        require_fit(make(wanted, 0, CPU), wanted)


def test_names_that_mean_nothing_are_known_before_anything_is_done() -> None:
    """The quickstart's and one's own are let through."""
    require_known("mlp")
    require_known("some.where:thing")
    with pytest.raises(SettingsError, match="JOB_MODEL=vgg61"):
        require_known("vgg61")


def test_plain_copy_predicts_the_same_and_shares_nothing() -> None:
    """What is delivered is the network, without the dropout of the quickstart's."""
    for network in (_made("mlp", dropout=0.5), _made("mobilenet_v3_small")):
        copy = plain_copy(network)

        assert not copy.training
        images = torch.rand(2, *GREY)
        assert torch.equal(copy(images), network.eval()(images))
        assert not {p.data_ptr() for p in copy.parameters()} & {
            p.data_ptr() for p in network.parameters()
        }


def test_blank_copy_knows_nothing() -> None:
    """So that whatever it answers after a file was read came from the file."""
    blank = blank_copy(_made("mobilenet_v3_small"))

    assert not any(bool(value.any()) for value in blank.state_dict().values())


def test_vgg16_is_saved_and_loaded_as_in_the_quickstart(tmp_path: Path) -> None:
    """`torch.save` and `load_state_dict` of the tutorial take our file, and we take theirs.

    Random weights, since the tutorial's have to be downloaded: 138 million numbers either way.
    """
    import torchvision  # noqa: PLC0415  # two seconds, for this test alone

    path, images = tmp_path / "model_weights.pth", torch.rand(1, 3, 32, 32)
    network = make(Wanted("vgg16", (3, 32, 32), 1000, image_size=32), 0, CPU)
    with torch.inference_mode():
        expected = network.eval()(images)
        path.write_bytes(weights.to_pth(network))
        prepared = network.get_submodule("preparation")(images)
        theirs = torchvision.models.vgg16(init_weights=False).eval()
        theirs.load_state_dict(torch.load(path, weights_only=True))
        assert torch.equal(theirs(prepared), expected)

        torch.save(theirs.state_dict(), path)
        del theirs
        assert torch.equal(weights.read(path, blank_copy(network))(images), expected)
