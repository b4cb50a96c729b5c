"""Every rank goes on from what rank 0 has found."""

from pathlib import Path

import torch

from job import checkpoint
from job.checkpoint import RunState
from job.handover import hand_over
from job.world import ALONE


def test_nothing_found_is_nothing_for_all() -> None:
    """A run that begins has nothing to hand over."""
    assert hand_over(None, ALONE) is None


def test_checkpoint_arrives_whole(tmp_path: Path) -> None:
    """Step, state and every tensor, to the bit; of several ranks: tests/test_ranks.py."""
    state = RunState(
        epoch=1, batch=2, epoch_loss=0.1, epoch_seconds=0.2, history=[], settings={"seed": 3}
    )
    tensors = {"model.w": torch.rand(3, 4), "optimizer.w.step": torch.tensor(7)}
    checkpoint.save(tmp_path, 5, state, tensors)
    found = checkpoint.latest(tmp_path)

    handed = hand_over(found, ALONE)

    assert found is not None
    assert handed is not None
    assert (handed.folder, handed.step, handed.state) == (found.folder, 5, state)
    assert handed.tensors.keys() == tensors.keys()
    assert all(torch.equal(handed.tensors[name], tensors[name]) for name in tensors)
