"""What several ranks need to know of a real GPU."""

import subprocess

import torch

from job.world.ranks import uuid_of


def test_gpu_is_claimed_by_the_uuid_that_the_remedy_shows() -> None:
    """Whoever is told to look for it with `nvidia-smi -L` finds the one that was named."""
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    uuid = uuid_of(torch.device("cuda", 0))

    assert uuid
    assert uuid in listed
