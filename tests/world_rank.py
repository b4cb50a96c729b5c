"""A rank for the tests of `job.world`: meets the others, does as it is told, and says what it saw.

    python tests/world_rank.py DEED [CULPRIT]

Its place is in the environment, and so is `RANK_GPU`, which it takes for its GPU's UUID. The last
line of standard output is JSON.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1])]

import torch  # noqa: E402  # the path above comes first

from job.__main__ import leave  # noqa: E402
from job.errors import DataError, InterruptedRunError, JobError  # noqa: E402
from job.settings import Settings  # noqa: E402
from job.stop import StopFlag  # noqa: E402
from job.world import Placement, World, here, join  # noqa: E402
from job.world.patience import Limits  # noqa: E402
from job.world.ranks import Ranks  # noqa: E402
from job.world.voice import speak_as  # noqa: E402

# A tenth of those in earnest; the ranks share two cores with whatever else runs.
LIMITS: Final = Limits(
    rendezvous=60, beat=0.2, silence=4.0, suspicion=1.5, leave=2.0, collective=30
)
PERSISTENCE: Final = 1500
LIMIT_SECONDS: Final = 60.0


def exchange(world: World, _: int) -> dict[str, Any]:
    """Each call once, with values that tell the ranks apart."""
    number = world.rank + 1
    return {
        "sum": world.sum(torch.tensor([number, 10.0 * number])).tolist(),
        "broadcast": world.broadcast(torch.tensor([number, 7])).tolist(),
        "text": world.broadcast_text("häus\n" if world.is_main else "?"),
        "no_text": world.broadcast_text("" if world.is_main else "?"),
        "agree": world.agree([False, world.rank == world.size - 1, True]),
        "any": [world.any(False), world.any(world.rank == 1)],
    }


def kill(world: World, culprit: int) -> dict[str, Any]:
    """The culprit is gone without a word; the others go on."""
    if world.rank == culprit:
        os.kill(os.getpid(), signal.SIGKILL)
    return go_on(world)


def freeze(world: World, culprit: int) -> dict[str, Any]:
    """The culprit's connections stay open, and nothing comes through them."""
    if world.rank == culprit:
        os.kill(os.getpid(), signal.SIGSTOP)
    return go_on(world)


def fail(world: World, culprit: int) -> dict[str, Any]:
    """The culprit ends with an error of its own."""
    if world.rank == culprit:
        raise DataError("mine is torn")
    return go_on(world)


def stop(world: World, culprit: int) -> dict[str, Any]:
    """All stop at the same step, because one was asked to; rank 0 then takes its time to save."""
    while not world.any(world.rank == culprit):
        pass
    if world.is_main:
        time.sleep(1.5)
    raise InterruptedRunError("stopped by SIGTERM")


def dawdle(world: World, _: int) -> dict[str, Any]:
    """Rank 0 is long over its work after the others have done theirs."""
    if world.is_main:
        time.sleep(1.5)
    return {"seconds": 1.5 * world.is_main}


def persist(world: World, _: int) -> dict[str, Any]:
    """Exchange so often that it takes a while, however long the ranks are suspended."""
    for _ in range(PERSISTENCE):
        world.sum(torch.ones(10))
        time.sleep(0.01)
    return {"exchanges": PERSISTENCE}


def go_on(world: World) -> dict[str, Any]:
    """Exchange until an error ends it."""
    until = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < until:
        world.sum(torch.ones(1000))
    return {"seconds": LIMIT_SECONDS}


DEEDS: Final[dict[str, Callable[[World, int], dict[str, Any]]]] = {
    each.__name__: each for each in (exchange, kill, freeze, fail, stop, dawdle, persist)
}


def joined(place: Placement) -> World:
    """On the CPU, whatever GPU it takes for its own."""
    world = join(place, torch.device("cpu"), StopFlag(), limits=LIMITS)
    if isinstance(world, Ranks):
        world.gpu = os.environ.get("RANK_GPU")
    return world


def main() -> int:
    """Do the deed; the exit code is that of a job that ends so."""
    deed, culprit = DEEDS[sys.argv[1]], int(sys.argv[2])
    place = here(Settings())
    speak_as(place, "json", "info")
    try:
        with joined(place) as world:
            said = deed(world, culprit)
    except JobError as error:
        said = {"error": type(error).__name__, "seen": error.seen, "code": error.exit_code}
    sys.stdout.write(json.dumps(said | {"at": time.time()}) + "\n")
    return int(said.get("code", 0))


if __name__ == "__main__":
    leave(main())
