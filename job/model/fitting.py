"""Fits a network and weights that were made for others to the channels and classes of the data."""

from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn

# What googlenet and inception_v3 have for training only, and are built without.
SIDE_ANSWERS: Final = ("aux1.", "aux2.", "AuxLogits.")
MOST_CHANNELS: Final = 64


def fit_first_convolution(network: nn.Module, channels: int) -> None:
    """Let the first convolution take images of so many channels, in place."""
    name = first_convolution(network)
    if name is None:
        return
    old = network.get_submodule(name)
    if not isinstance(old, nn.Conv2d) or old.in_channels == channels:
        return
    kernel = fit_kernel(old.weight.detach(), channels)
    old.in_channels = channels
    old.weight = nn.Parameter(kernel)


def first_convolution(network: nn.Module) -> str | None:
    """The name of the convolution that sees the images, None in a network without any."""
    names = (name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    return next(names, None)


def fit_kernel(kernel: Tensor, channels: int) -> Tensor:
    """A kernel (out, channels, h, w) from one of other channels: its sum, shared among them.

    On one channel it answers what the old one answers to the same image in all of its channels.
    """
    total = kernel.sum(1, keepdim=True) / channels
    return total.repeat(1, channels, 1, 1)


def start_from(network: nn.Module, state: Mapping[str, Tensor], classes: int) -> list[str]:
    """Take over the weights of `state`, in place; return the names of those that stay random.

    These are the tensors of the head, where `state` tells another number of classes apart. The
    kernel of the first convolution is fitted to the channels. Raises `ValueError` for weights of
    another network.
    """
    first, wanted = f"{first_convolution(network)}.weight", network.state_dict()
    _require_same_names(wanted, state)
    fitted, fresh = {}, []
    for name, value in wanted.items():
        given = state[name]
        if name == first and _is_of_other_channels(given, value):
            given = fit_kernel(given, value.shape[1])
        if _is_of_other_classes(given, value, classes):
            fresh.append(name)
            given = value
        if given.shape != value.shape:
            raise ValueError(f"{name} is {tuple(given.shape)}, not {tuple(value.shape)}")
        fitted[name] = given
    network.load_state_dict(fitted)
    return fresh


def _require_same_names(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in state]
    strange = [name for name in state if name not in wanted and not name.startswith(SIDE_ANSWERS)]
    if missing:
        raise ValueError(f"it lacks {missing[0]} and {len(missing) - 1} more")
    if strange:
        raise ValueError(f"it has {strange[0]}, which the network does not")


def _is_of_other_channels(given: Tensor, value: Tensor) -> bool:
    outer = given.shape[:1] + given.shape[2:], value.shape[:1] + value.shape[2:]
    # A file can claim any number of channels without holding so many numbers.
    return outer[0] == outer[1] and given.shape[1:2] != value.shape[1:2] and _is_modest(given)


def _is_modest(kernel: Tensor) -> bool:
    return kernel.dim() > 1 and kernel.shape[1] <= MOST_CHANNELS


def _is_of_other_classes(given: Tensor, value: Tensor, classes: int) -> bool:
    return (
        value.dim() > 0
        and value.shape[0] == classes != given.shape[0]
        and given.shape[1:] == value.shape[1:]
    )
