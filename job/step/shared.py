"""The eager step of several ranks that each have a part of the batch: one exchange a step.

The gradients lie in one flat buffer, which ends with the number of images: its sum over all ranks,
divided by its last element, is the gradient of the mean over the whole batch, and the host waits
for nothing. `DistributedDataParallel` gives the same weights; docs/scaling.md has both times.
"""

from torch import Tensor, nn

from job.step.contract import Precision, Update
from job.step.eager import EagerStep
from job.world import World


class SharedStep(EagerStep):
    """What one rank would do with the whole batch, up to the order in which it is summed."""

    name = "shared"

    def __init__(
        self, model: nn.Module, update: Update, precision: Precision, world: World
    ) -> None:
        """Train `model` in place; on every rank it has the same weights."""
        super().__init__(model, update, precision)
        self._world = world
        self._flat = _gather_gradients(model)

    def _draw(self, step: int) -> int:
        return step * self._world.size + self._world.rank

    def _learn(self, images: Tensor, targets: Tensor) -> None:
        self._flat.zero_()
        loss = self._loss_of(images, targets, "sum")
        loss.backward()
        self._flat[-1] = len(images)
        self._world.sum(self._flat)
        self._flat.div_(self._flat[-1].clone())
        self._optimizer.step()
        self._loss.add(loss.detach(), 1)


def _gather_gradients(model: nn.Module) -> Tensor:
    """Let each parameter's gradient be a part of one buffer, and return that."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    sizes = [parameter.numel() for parameter in parameters]
    flat = parameters[0].new_zeros(sum(sizes) + 1)
    for parameter, part in zip(parameters, flat[:-1].split(sizes), strict=True):
        parameter.grad = part.view_as(parameter)
    return flat
