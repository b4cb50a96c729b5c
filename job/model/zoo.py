"""torchvision's classification models by name, with the images that each one wants.

A model comes with random weights, for any number of classes and channels. Only this module and
`job.data` import torchvision, which takes two seconds.
"""

import difflib
from dataclasses import dataclass
from typing import Any, Final

import torchvision
from torch import nn

from job.errors import SettingsError
from job.model.fitting import fit_first_convolution

# Of pixels in [-1, 1]; these two were trained by others, and torchvision turns ImageNet's own
# normalisation back into this one (`transform_input`).
HALVES: Final = (0.5, 0.5, 0.5)
NORMALISED_BY_HALVES: Final = frozenset({"googlenet", "inception_v3"})
# Their training returns three answers, of which two are for their authors' schedule.
WITHOUT_SIDE_ANSWERS: Final[dict[str, Any]] = {"aux_logits": False, "init_weights": True}


@dataclass(frozen=True)
class Look:
    """The images that a model wants: a square of `side` pixels, normalised channel by channel."""

    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def is_known(name: str) -> bool:
    """Whether torchvision has a classification model of that name."""
    return name in _names()


def require_known(name: str) -> None:
    """Raise `SettingsError` with the nearest names for a model that torchvision does not have."""
    known = _names()
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0)
        raise SettingsError(
            f"JOB_MODEL={name}: torchvision {torchvision.__version__} has no such model",
            allowed=f"mlp, package.module:function, or a name like {', '.join(nearest)}",
            fix=f"set JOB_MODEL={nearest[0]}, or another one of torchvision.models.list_models()",
        )


def build(name: str, classes: int, channels: int, image_size: int | None) -> nn.Module:
    """A network with random weights from torch's global generator.

    Its first convolution takes `channels`. Raises `SettingsError` for an `image_size` that the
    model cannot be built for.
    """
    require_known(name)
    try:
        network: nn.Module = torchvision.models.get_model(
            name, weights=None, num_classes=classes, **_particulars(name, image_size)
        )
    except Exception as error:
        # Each model has its own words for a size that does not divide.
        raise SettingsError(f"JOB_MODEL={name}, JOB_IMAGE_SIZE={image_size}: {error}") from error
    fit_first_convolution(network, channels)
    return network


def url_of(name: str, weights: str) -> str:
    """Where torchvision publishes the `weights` of the model; the name is that of the file.

    Raises `SettingsError` for weights that the model does not have.
    """
    url: str = _weights(name, weights).url
    return url


def look(name: str, channels: int, image_size: int | None, weights: str | None = None) -> Look:
    """The images that `name` was trained with, or of `image_size` pixels a side.

    Of other than three channels each has the mean and the deviation over the three.
    """
    wants = _weights(name, weights or "DEFAULT").transforms()
    by_halves = name in NORMALISED_BY_HALVES
    mean, deviation = (HALVES, HALVES) if by_halves else (wants.mean, wants.std)
    side = image_size or wants.crop_size[0]
    return Look(side, _over_channels(mean, channels), _over_channels(deviation, channels))


def _names() -> list[str]:
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def _weights(name: str, weights: str) -> Any:
    known = torchvision.models.get_model_weights(name)
    if weights not in known.__members__:
        raise SettingsError(
            f"JOB_MODEL_WEIGHTS={weights}: torchvision has none of that name for {name}",
            allowed=f"{', '.join(known.__members__)}, or a .safetensors or .pth file",
            fix=f"set JOB_MODEL_WEIGHTS={next(iter(known)).name}, or unset it",
        )
    return known[weights]


def _particulars(name: str, image_size: int | None) -> dict[str, Any]:
    if name in NORMALISED_BY_HALVES:
        return WITHOUT_SIDE_ANSWERS
    if image_size is None:
        return {}
    if name.startswith("vit_"):
        return {"image_size": image_size}
    return {"input_size": (image_size, image_size)} if name == "maxvit_t" else {}


def _over_channels(values: Any, channels: int) -> tuple[float, ...]:
    if channels == len(values):
        return tuple(values)
    return (sum(values) / len(values),) * channels
