"""Claims about `job.settings.names`."""

import pytest

from job.errors import SettingsError
from job.settings import Settings, load


@pytest.mark.parametrize("name", ["mlp", "resnet18", "vit_b_16", "my_package.nets:make", "a:b.c"])
def test_models_are_known_ones_torchvisions_or_ones_own(name: str) -> None:
    """Whether torchvision has it is asked when torchvision is imported."""
    assert load(Settings, ["--model", name], "job").model == name


@pytest.mark.parametrize("name", ["fashion-mnist", "emnist-letters", "image-folder", "a.b:c"])
def test_datasets_are_known_ones_or_ones_own(name: str) -> None:
    """A known one needs no code of the user's."""
    assert load(Settings, ["--dataset", name], "job").dataset == name


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("--model", "Res Net", "mlp or a classification model of torchvision"),
        ("--model", "package:", "package.module:function"),
        ("--dataset", "imagenet", "cifar10, image-folder or package.module:function"),
    ],
)
def test_other_names_are_told_with_what_is_allowed(flag: str, value: str, allowed: str) -> None:
    """All kinds of them, in one line."""
    with pytest.raises(SettingsError, match=f"{flag}={value}") as caught:
        load(Settings, [flag, value], "job")

    assert allowed in caught.value.seen
