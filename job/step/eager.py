"""The quickstart's own loop body: the reference that every faster step is proven against."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from job.data.split import Batch
from job.seeds import Purpose, derive
from job.step.contract import WEIGHTS, LossSum, Precision, Update


class EagerStep:
    """The quickstart's own loop body: the reference that every faster step is proven against."""

    name = "eager"

    def __init__(self, model: nn.Module, update: Update, precision: Precision) -> None:
        """Train `model` in place, on the device where it lies."""
        self._model = model
        self._update = update
        self._optimizer = make_optimizer(model, update)
        self._device = next(model.parameters()).device
        self._precision = precision
        self._loss = LossSum(self._device)

    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Yield after each batch."""
        self._model.train()
        for done, (images, targets) in enumerate(batches, start=1):
            self._advance(images, targets, first_step + done - 1)
            yield done

    def take_loss(self) -> float:
        """Read the sum and start a new one."""
        return self._loss.take()

    def state(self) -> dict[str, Tensor]:
        """Weights as `model.<name>`, the optimizer's tensors as `optimizer.<name>.<key>`."""
        return weights_of(self._model) | {
            f"optimizer.{name}.{key}": value
            for name, parameter in self._model.named_parameters()
            for key, value in self._optimizer.state[parameter].items()
            if isinstance(value, Tensor)
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over weights and the optimizer's tensors."""
        load_weights(self._model, state)
        for name, parameter in self._model.named_parameters():
            kept = _below(f"optimizer.{name}.", state)
            # The count of AdamW's steps belongs on the CPU, where torch keeps it.
            self._optimizer.state[parameter] = {
                key: value if value.dim() == 0 else value.to(self._device)
                for key, value in kept.items()
            }

    def _advance(self, images: Tensor, targets: Tensor, step: int) -> None:
        if self._update.dropout or self._update.random:
            torch.manual_seed(derive(self._update.seed, Purpose.DROPOUT, self._draw(step)))
        for group in self._optimizer.param_groups:
            group["lr"] = self._update.schedule(step)
        self._learn(images, targets)

    def _draw(self, step: int) -> int:
        """Return the number of the dropout mask of `step`."""
        return step

    def _learn(self, images: Tensor, targets: Tensor) -> None:
        loss = self._loss_of(images, targets, "mean")
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._loss.add(loss.detach(), len(images))

    def _loss_of(self, images: Tensor, targets: Tensor, reduction: str) -> Tensor:
        with _autocast(self._device, self._precision):
            return functional.cross_entropy(
                self._model(images),
                targets,
                reduction=reduction,
                label_smoothing=self._update.label_smoothing,
            )


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the state_dict, each name behind `WEIGHTS`; the tensors are the model's own."""
    return {f"{WEIGHTS}{name}": value for name, value in model.state_dict().items()}


def load_weights(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Copy what `weights_of` returned into the model."""
    model.load_state_dict(_below(WEIGHTS, state))


def make_optimizer(model: nn.Module, update: Update) -> torch.optim.Optimizer:
    """Return torch's optimizer over all parameters, at the rate of the first step."""
    rate = update.schedule(0)
    if update.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), rate, weight_decay=update.weight_decay)
    return torch.optim.SGD(
        model.parameters(),
        rate,
        momentum=update.momentum,
        nesterov=update.nesterov,
        weight_decay=update.weight_decay,
    )


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
