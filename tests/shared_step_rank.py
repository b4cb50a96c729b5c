"""One rank of tests/test_step_shared.py: trains with the others, then as if it were alone.

python tests/shared_step_rank.py FOLDER      with torchrun's names in the environment
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402  # the path above comes first
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

from job.__main__ import leave  # noqa: E402
from job.data.split import Batch, EpochPlan, ResidentBatches, Share, Split  # noqa: E402
from job.model import build  # noqa: E402
from job.schedule import constant  # noqa: E402
from job.settings import Settings  # noqa: E402
from job.step import Step, Update  # noqa: E402
from job.step.eager import EagerStep  # noqa: E402
from job.step.shared import SharedStep  # noqa: E402
from job.stop import StopFlag  # noqa: E402
from job.world import World, here, join  # noqa: E402

CPU = torch.device("cpu")
BATCH_SIZE, BATCHES, RAGGED = 64, 7, 37
UPDATE = Update("sgd", constant(0.05), momentum=0.9, weight_decay=1e-3, label_smoothing=0.1)


def batches(share: Share, images: int) -> Iterator[Batch]:
    """Go through random images in a fixed order, this share of them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, 28, 28), np.uint8)
    split = Split.on(CPU, pixels, random.integers(0, 10, images, np.uint8))
    order = torch.from_numpy(random.permutation(images))
    return iter(ResidentBatches(split, BATCH_SIZE, share).epoch(EpochPlan(order, None)))


def trained(step: Step, share: Share, images: int) -> torch.Tensor:
    """Train through all of it; return all weights in one tensor."""
    list(step.run(batches(share, images), 0))
    weights = [value for name, value in step.state().items() if name.startswith("model.")]
    return torch.cat([value.flatten() for value in weights]).clone()


def trained_by_ddp(share: Share, images: int) -> torch.Tensor:
    """Train as torch's own wrapper does."""
    network = build(0, 0.0, CPU)
    model: nn.Module = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)
    for inputs, targets in batches(share, images):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets, label_smoothing=0.1).backward()
        optimizer.step()
    return torch.cat([value.detach().flatten() for value in network.parameters()])


def compare(world: World) -> dict[str, object]:
    """Return what the claims of the test are about."""
    share, even = Share(world.rank, world.size), BATCH_SIZE * BATCHES
    together = SharedStep(build(0, 0.0, CPU), UPDATE, "fp32", world)
    alone = EagerStep(build(0, 0.0, CPU), UPDATE, "fp32")
    apart = EagerStep(build(0, 0.0, CPU), UPDATE, "fp32")
    shared = trained(together, share, even + RAGGED)
    evenly = trained(SharedStep(build(0, 0.0, CPU), UPDATE, "fp32", world), share, even)
    wanted = trained(alone, Share(), even + RAGGED)
    return {
        "digest": hashlib.sha256(shared.numpy().tobytes()).hexdigest(),
        "distance_to_one_rank": float((shared - wanted).abs().max()),
        "distance_to_ddp": float((evenly - trained_by_ddp(share, even)).abs().max()),
        "distance_without_exchange": float(
            (trained(apart, share, even + RAGGED) - wanted).abs().max()
        ),
        "loss": together.take_loss(),
        "loss_of_one_rank": alone.take_loss(),
    }


if __name__ == "__main__":
    place = here(Settings())
    with join(place, CPU, StopFlag()) as world:
        found = compare(world)
    (Path(sys.argv[1]) / f"{place.rank}.json").write_text(json.dumps(found))
    leave(0)  # as the job does, whose signs of life go on to the last moment
