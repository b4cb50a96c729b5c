"""The network that the settings name, built for the images and classes of the data."""

import copy
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from job import own_code
from job.errors import SettingsError
from job.model.mlp import NeuralNetwork
from job.model.preparation import Preparation, Prepared

MLP: Final = "mlp"
VARIABLE: Final = "JOB_MODEL"
LEARNABLE: Final = "a network with at least one parameter that requires a gradient"


@dataclass(frozen=True)
class Wanted:
    """A network by name, for images of `shape` (C, H, W) and so many classes.

    `image_size` is the side to which it resizes them, None for what it wants by itself; `weights`
    is the torchvision name of those that it starts from, which decides on that, too.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    dropout: float = 0.0
    image_size: int | None = None
    weights: str | None = None

    @property
    def is_quickstarts(self) -> bool:
        """Whether it is the quickstart's network, for which there are faster steps."""
        return self.name == MLP

    @property
    def is_own(self) -> bool:
        """Whether a function of the user's makes it."""
        return own_code.is_own(self.name)


def require_known(name: str) -> None:
    """Raise `SettingsError` for a name that means no network; one's own is not looked at."""
    if name != MLP and not own_code.is_own(name):
        from job.model import zoo  # noqa: PLC0415  # torchvision takes two seconds

        zoo.require_known(name)


def make(wanted: Wanted, seed: int, device: torch.device) -> nn.Module:
    """The network with the weights of `seed`.

    Built on the CPU, so that a seed gives the same weights whatever the device. Raises
    `SettingsError` for a network that cannot be built.
    """
    torch.manual_seed(seed)
    return _make(wanted).to(device)


@torch.inference_mode()
def require_fit(network: nn.Module, wanted: Wanted) -> None:
    """Raise `SettingsError` for a network that does not tell the classes of such images.

    Or that has nothing to learn it with.
    """
    _require_learnable(network, wanted)
    device = next(network.parameters()).device
    try:
        logits = network.eval()(torch.zeros(2, *wanted.shape, device=device))
    except Exception as error:
        # Each network has its own way to fail on images that are too small for it.
        raise _unfit(wanted, f"raises {type(error).__name__}: {error}") from error
    if not isinstance(logits, Tensor) or logits.shape != (2, wanted.classes):
        seen = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise _unfit(wanted, f"returns {seen}")


def _require_learnable(network: nn.Module, wanted: Wanted) -> None:
    parameters = list(network.parameters())
    if not any(each.requires_grad for each in parameters):
        cause = f"none of its {len(parameters)} parameters is trained"
        raise own_code.refusal(VARIABLE, wanted.name, cause, LEARNABLE)


def _unfit(wanted: Wanted, cause: str) -> SettingsError:
    seen = f"{VARIABLE}={wanted.name} on images (2, {', '.join(map(str, wanted.shape))})"
    return SettingsError(
        f"{seen}, JOB_IMAGE_SIZE={wanted.image_size or 'unset'}: {cause}",
        allowed=f"logits (2, {wanted.classes}), one for each class",
        fix="set JOB_IMAGE_SIZE to what the network can take, or choose another JOB_MODEL",
    )


def plain_copy(network: nn.Module) -> nn.Module:
    """The same network on the CPU, ready to predict; the quickstart's without dropout."""
    if not isinstance(network, NeuralNetwork):
        return copy.deepcopy(network).cpu().eval()
    plain = NeuralNetwork(inputs=network.inputs, classes=network.classes)
    plain.load_state_dict(network.state_dict())
    return plain.eval()


def blank_copy(network: nn.Module) -> nn.Module:
    """The same network with zeros for all that it has learnt: what a file must fill."""
    blank = copy.deepcopy(network)
    for value in blank.state_dict().values():
        value.zero_()
    return blank


def _make(wanted: Wanted) -> nn.Module:
    channels, height, width = wanted.shape
    if wanted.name == MLP:
        return NeuralNetwork(wanted.dropout, channels * height * width, wanted.classes)
    if wanted.is_own:
        return _own(wanted)
    return _from_zoo(wanted)


def _from_zoo(wanted: Wanted) -> nn.Module:
    from job.model import zoo  # noqa: PLC0415  # torchvision takes two seconds

    channels = wanted.shape[0]
    network = zoo.build(wanted.name, wanted.classes, channels, wanted.image_size)
    look = zoo.look(wanted.name, channels, wanted.image_size, wanted.weights)
    return Prepared(Preparation(look.side, look.mean, look.deviation), network)


def _own(wanted: Wanted) -> nn.Module:
    channels, classes = wanted.shape[0], wanted.classes
    network = own_code.call(VARIABLE, wanted.name, classes=classes, channels=channels)
    if not isinstance(network, nn.Module):
        cause = f"returns {type(network).__name__}, which is no torch.nn.Module"
        raise own_code.refusal(VARIABLE, wanted.name, cause)
    if wanted.image_size is None:
        return network
    as_they_are = Preparation(wanted.image_size, [0.0] * channels, [1.0] * channels)
    return Prepared(as_they_are, network)
