"""What a training step is: forward, loss, backward, update, behind one interface.

A step goes through batches and yields whenever the weights are whole, so that its caller can save,
log or stop there; how many batches lie between two yields is its own affair.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import torch
from torch import Tensor

from job.data.split import Batch
from job.schedule import Schedule

Precision = Literal["fp32", "tf32", "bf16"]

WEIGHTS: Final = "model."


@dataclass(frozen=True)
class Update:
    """How a gradient becomes new weights; `seed` is that of the dropout.

    `random` is said of networks that may draw numbers of their own while they learn.
    """

    optimizer: Literal["sgd", "adamw"]
    schedule: Schedule
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    seed: int = 0
    random: bool = False


class LossSum:
    """The loss over all images since it was last taken, summed on the device without waiting.

    In float64 the sum is exact, so that it does not depend on where it was cut; mps has none.
    """

    def __init__(self, device: torch.device) -> None:
        """Start at zero."""
        kind = torch.float32 if device.type == "mps" else torch.float64
        self._sum = torch.zeros((), dtype=kind, device=device)

    def add(self, loss: Tensor, times: float) -> None:
        """Add `loss` (), `times` over."""
        self._sum.add_(loss, alpha=times)

    def take(self) -> float:
        """Wait for the device, return the sum and start a new one."""
        total = float(self._sum)
        self._sum.zero_()
        return total


class Step(Protocol):
    """Advances the weights of a model, batch after batch."""

    name: str

    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Train on `batches`; yield the number of batches done each time the weights are whole."""
        ...

    def take_loss(self) -> float:
        """Return the sum of the loss over all images since the last call; waits for the device."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on, by name; the tensors are not copies.

        Names of the model's own state_dict stand behind `WEIGHTS`.
        """
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        ...
