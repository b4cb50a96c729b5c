"""Claims about `job.model.zoo`: torchvision's models, for any channels and classes."""

import pytest
import torch
import torchvision

from job.errors import SettingsError
from job.model import zoo


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", None),
        ("mobilenet_v3_small", None),
        ("squeezenet1_1", None),
        ("googlenet", None),
        ("vit_b_32", 32),
        ("swin_t", 64),
    ],
)
def test_model_tells_the_classes_of_the_data_in_the_channels_of_the_data(
    name: str, size: int | None
) -> None:
    """Each family has its own kind of head, and one is built for a size."""
    network = zoo.build(name, 7, 1, size).eval()

    with torch.inference_mode():
        assert network(torch.rand(2, 1, size or 64, size or 64)).shape == (2, 7)


def test_weights_are_torchvisions_own_for_a_seed() -> None:
    """Nothing is drawn but what torchvision draws."""
    torch.manual_seed(3)
    expected = torchvision.models.resnet18(num_classes=10)
    torch.manual_seed(3)
    network = zoo.build("resnet18", 10, 3, None)

    assert all(map(torch.equal, network.parameters(), expected.parameters()))


def test_misspelt_name_is_told_with_the_nearest_ones() -> None:
    """A person sees at once what was meant."""
    with pytest.raises(SettingsError, match="JOB_MODEL=resnet81") as caught:
        zoo.require_known("resnet81")

    assert "resnet18" in caught.value.allowed
    assert not zoo.is_known("resnet81")
    assert zoo.is_known("resnet18")


@pytest.mark.parametrize("name", ["fcn_resnet50", "raft_large", "r3d_18", "get_model"])
def test_models_that_do_not_classify_images_are_none(name: str) -> None:
    """Torchvision has those for masks, boxes, flow and videos, too."""
    assert not zoo.is_known(name)


def test_size_that_a_model_cannot_be_built_for_is_a_settings_error() -> None:
    """The model's own words are kept."""
    with pytest.raises(SettingsError, match="JOB_MODEL=vit_b_16, JOB_IMAGE_SIZE=50"):
        zoo.build("vit_b_16", 10, 3, 50)


def test_images_are_those_that_the_model_was_trained_with() -> None:
    """224 pixels and ImageNet's numbers; 299 and halves for the one that was trained by them."""
    assert zoo.look("resnet18", 3, None).side == 224
    assert zoo.look("resnet18", 3, None).mean == (0.485, 0.456, 0.406)
    assert zoo.look("inception_v3", 3, None) == zoo.Look(299, (0.5,) * 3, (0.5,) * 3)


def test_a_size_that_is_set_wins_and_grey_has_the_mean_of_the_channels() -> None:
    """One channel is normalised once."""
    grey = zoo.look("resnet18", 1, 64)

    assert grey.side == 64
    assert grey.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))


def test_weights_have_an_address_or_the_names_that_there_are() -> None:
    """A misspelt name of weights is a setting that is wrong."""
    assert zoo.url_of("resnet18", "IMAGENET1K_V1").endswith("/resnet18-f37072fd.pth")
    with pytest.raises(SettingsError, match="JOB_MODEL_WEIGHTS=IMAGENET1K_V9") as caught:
        zoo.url_of("resnet18", "IMAGENET1K_V9")

    assert "IMAGENET1K_V1" in caught.value.allowed
