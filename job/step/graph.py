"""Plain SGD on a GPU as a CUDA graph: the host asks for some steps at once and sends them nothing.

The mathematics is the eager step's. On this network a GPU spends its time on starting operations,
not on arithmetic, so there are few of them: the images of all steps of a replay are gathered at
once, and `-rate / images` is multiplied to the gradient by the logits, so that what goes backward
is the update itself and a weight takes it in one product. A replay finds its images by positions
that it moves on by itself.

An epoch is seldom a whole number of replays. The last one is filled up with images that count for
nothing: their gradient is an exact zero, which leaves the weights as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from job.data.split import Batch, ResidentEpoch, as_input, count_batches, mirror
from job.errors import SettingsError
from job.layers import linear_layers
from job.schedule import Schedule
from job.step.contract import LossSum
from job.step.eager import load_weights, weights_of

# Divides the 938 batches of the quickstart's epoch, so that no replay of it has a step that counts
# for nothing. The gap between two replays is paid once in so many steps; no GPU has measured it.
STEPS_PER_REPLAY: Final = 14
# As torch's notes on CUDA graphs have it: libraries set themselves up in the first rounds.
REHEARSALS: Final = 3

Layer = tuple[Tensor, Tensor]


class GraphStep:
    """Some steps in one replay, over a split that lies on the device."""

    name = "graph"

    def __init__(self, model: nn.Module, schedule: Schedule, batch_size: int) -> None:
        """Train `model` in place; its linear layers have a ReLU between them and nothing else."""
        self._model = model
        self._schedule = schedule
        self._batch_size = batch_size
        linear = linear_layers(model)
        self._layers = [(layer.weight.data, layer.bias.data) for layer in linear]
        self._loss = LossSum(linear[0].weight.device)
        self._replay: Replay | None = None

    @torch.no_grad()
    def run(self, batches: Iterable[Batch], first_step: int) -> Iterator[int]:
        """Yield after each replay, without waiting for the device.

        Raises `SettingsError` for batches that are not gathered from a resident split.
        """
        if not isinstance(batches, ResidentEpoch):
            raise SettingsError(
                "JOB_STEP=graph with JOB_PIPELINE=dataloader",
                allowed="JOB_PIPELINE=resident: a replay gathers its images by itself",
                fix="unset JOB_PIPELINE, or set JOB_STEP=auto",
            )
        replay = self._prepared(batches)
        count = count_batches(len(batches.order), self._batch_size)
        replay.begin(batches, [self._schedule(first_step + batch) for batch in range(count)])
        for done in range(0, count, replay.steps):
            replay.go()
            yield min(done + replay.steps, count)

    def take_loss(self) -> float:
        """Read the sum and start a new one."""
        return self._loss.take()

    def state(self) -> dict[str, Tensor]:
        """The weights, by the names that the eager step gives them, too."""
        return weights_of(self._model)

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over the weights, which stay where they are."""
        load_weights(self._model, state)

    def _prepared(self, epoch: ResidentEpoch) -> "Replay":
        if self._replay is None or not self._replay.fits(epoch):
            self._replay = Replay(self._layers, self._loss, epoch, self._batch_size)
        return self._replay


class Replay:
    """The steps over one split, and the buffers that they read, which stay where they are."""

    def __init__(
        self, layers: list[Layer], loss: LossSum, epoch: ResidentEpoch, batch_size: int
    ) -> None:
        """Record the steps over epochs like `epoch`; no weight changes."""
        size, device = len(epoch.split), epoch.split.images.device
        self.steps = min(STEPS_PER_REPLAY, count_batches(size, batch_size))
        self._layers = layers
        self._loss = loss
        self._split = epoch.split
        self._batch_size = batch_size
        self._positions = torch.arange(self.steps * self._batch_size, device=device)
        room = count_batches(size, len(self._positions)) * len(self._positions)
        self._order = torch.zeros(room, dtype=torch.int64, device=device)
        self._rates = torch.zeros(room, device=device)
        self._flips = None if epoch.flips is None else epoch.flips.to(device, copy=True)
        self._counted = torch.zeros((), dtype=torch.int64, device=device)
        self._classes = torch.eye(len(layers[-1][1]), device=device)
        self._ones = torch.ones(self._batch_size, device=device)
        self.go = _recorded(self._advance, self._rehearse, device)

    def fits(self, epoch: ResidentEpoch) -> bool:
        """Tell whether these buffers and steps are right for `epoch`."""
        mirrored = epoch.flips is not None
        return epoch.split is self._split and mirrored == (self._flips is not None)

    def begin(self, epoch: ResidentEpoch, rates: list[float]) -> None:
        """Copy what is left of an epoch to the device; `rates` has one for each of its batches."""
        images = len(epoch.order)
        batch = torch.arange(images) // self._batch_size
        shares = torch.tensor(rates, dtype=torch.float64) / batch.bincount()
        self._order[:images].copy_(epoch.order)
        self._rates[:images].copy_(shares[batch])
        if self._flips is not None and epoch.flips is not None:
            self._flips.copy_(epoch.flips)
        self._rewind(images)

    def _rewind(self, images: int) -> None:
        self._counted.fill_(images)
        torch.arange(len(self._positions), out=self._positions)

    def _rehearse(self) -> None:
        """Do what a replay does, with images none of which count."""
        self._rewind(0)
        self._advance()

    def _advance(self) -> None:
        """Do all steps of a replay."""
        chosen = self._order.index_select(0, self._positions)
        targets = self._classes.index_select(0, self._split.labels.index_select(0, chosen))
        targets = targets * (self._positions < self._counted).unsqueeze(1)
        pulls = targets * self._rates.index_select(0, self._positions).unsqueeze(1)
        pieces = (whole.split(self._batch_size) for whole in (self._gathered(chosen), pulls))
        log_shares = torch.cat([self._step(*batch) for batch in zip(*pieces, strict=True)])
        self._add_loss(log_shares * targets)
        self._positions.add_(len(self._positions))

    def _gathered(self, chosen: Tensor) -> Tensor:
        images = as_input(self._split.images.index_select(0, chosen))
        if self._flips is not None:
            images = mirror(images, self._flips.index_select(0, chosen))
        return images.flatten(1)

    def _step(self, images: Tensor, pulls: Tensor) -> Tensor:
        """Train on a batch; return the logarithms (B, classes) of the shares it was given."""
        inputs = [images]
        for weight, bias in self._layers[:-1]:
            inputs.append(_rectified(bias, inputs[-1], weight))
        weight, bias = self._layers[-1]
        log_shares = torch.addmm(bias, inputs[-1], weight.t()).log_softmax(1)
        self._descend(inputs, _towards(pulls, log_shares))
        return log_shares

    def _descend(self, inputs: list[Tensor], move: Tensor) -> None:
        for (weight, bias), below in zip(reversed(self._layers), reversed(inputs), strict=True):
            above = move
            if below is not inputs[0]:
                # The move passes through a weight before that weight is changed.
                move = torch.ops.aten.threshold_backward(above @ weight, below, 0)
            weight.addmm_(above.t(), below)
            bias.addmv_(above.t(), self._ones)

    def _add_loss(self, shares: Tensor) -> None:
        of_batches = shares.view(self.steps, -1).sum(1, dtype=torch.float64)
        # Sums of rounded numbers are exact in float64, wherever an epoch is cut into replays.
        self._loss.add(of_batches.float().sum(dtype=torch.float64), -1)


def _rectified(bias: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    """Return max(inputs @ weight.T + bias, 0), which is one operation on a GPU."""
    return torch._addmm_activation(bias, inputs, weight.t())  # noqa: SLF001  # has no public name


def _towards(pulls: Tensor, log_shares: Tensor) -> Tensor:
    """Return rate / images times (targets - shares): minus the gradient by the logits, scaled.

    `pulls` is rate / images at the target of an image and 0 elsewhere.
    """
    move: Tensor = torch.ops.aten._log_softmax_backward_data(  # noqa: SLF001  # one operation
        pulls, log_shares, 1, torch.float32
    )
    return move


def _recorded(
    steps: Callable[[], None], rehearse: Callable[[], None], device: torch.device
) -> Callable[[], None]:
    """Return what does `steps` once more: the replay of a CUDA graph, elsewhere `steps` itself."""
    if device.type == "cuda":
        return _captured(steps, rehearse, device)
    rehearse()  # so that its harmlessness is seen without a GPU, too
    return steps


def _captured(  # pragma: no cover  # tests/gpu runs it
    steps: Callable[[], None], rehearse: Callable[[], None], device: torch.device
) -> Callable[[], None]:
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(REHEARSALS):
            rehearse()
    graph = torch.cuda.CUDAGraph()
    # Handles and workspaces belong to a stream, so the rehearsals were on the one that records.
    with torch.cuda.graph(graph, stream=stream):
        steps()
    torch.cuda.current_stream(device).wait_stream(stream)
    return graph.replay
