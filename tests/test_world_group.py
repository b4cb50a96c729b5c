"""Claims about `job.world.group`: a world of one."""

import subprocess
import sys

import pytest
import torch

from job.errors import InterruptedRunError
from job.settings import Settings
from job.stop import StopFlag
from job.world import Node, World, join, placement

ALONE = placement({}, Settings())


def alone() -> World:
    """The world of a process that nobody placed."""
    return join(ALONE, torch.device("cpu"), StopFlag())


def test_alone_all_is_identity() -> None:
    """What a rank says is what it hears, and nothing is copied."""
    numbers = torch.tensor([1.0, 2.0])
    with alone() as world:
        assert world.sum(numbers) is numbers
        assert world.broadcast(numbers) is numbers
        assert world.broadcast_text("häus") == "häus"
        assert world.agree([True, False]) == (True, False)
        assert (world.any(True), world.any(False)) == (True, False)
        world.barrier()
    assert numbers.tolist() == [1.0, 2.0]


def test_alone_is_rank_0_of_1() -> None:
    """It writes the files, and loses nobody."""
    world = alone()

    assert (world.rank, world.size, world.is_main, world.loss) == (0, 1, True, None)
    assert world.placement is ALONE


def test_alone_hides_no_error() -> None:
    """Leaving is as silent as entering."""
    with pytest.raises(InterruptedRunError, match="SIGTERM"), alone():
        raise InterruptedRunError("stopped by SIGTERM")


def test_alone_needs_no_process_group() -> None:
    """Neither the modules of larger worlds nor torch itself are imported."""
    code = (
        "import sys; from job.stop import StopFlag; from job.settings import Settings;"
        "from job.world import here, join;"
        "join(here(Settings()), 'cpu', StopFlag()).__enter__().any(True);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'job.world.ranks')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_several_ranks_are_another_world() -> None:
    """Nothing is opened before it is entered."""
    place = Node(0, 1, "127.0.0.1", 9, "test").placement(1, 2)
    world = join(place, torch.device("cpu"), StopFlag())

    assert type(world) is not World
    assert (world.rank, world.size, world.is_main) == (1, 2, False)
