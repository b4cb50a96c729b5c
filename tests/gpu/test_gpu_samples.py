"""The samples of a real GPU, which NVML finds by what torch knows of it."""

import time

import torch

from job.gpu_use import GpuUse
from job.stopwatch import Stopwatch

SIDE = 4096
SECONDS = 3.0


def test_samples_are_of_the_gpu_that_torch_works_on() -> None:
    """It has the device's name, and is seen to be busy while it multiplies."""
    properties = torch.cuda.get_device_properties(0)
    with GpuUse(Stopwatch(), 0.1) as use:
        use.begin(properties)
        _multiply(SECONDS)

    record = use.record()
    assert record is not None
    assert record.gpu == properties.name
    assert max(sample.utilisation or 0 for sample in record.samples) > 0.5
    assert all(sample.memory_bytes for sample in record.samples)


def _multiply(seconds: float) -> None:
    square = torch.rand(SIDE, SIDE, device="cuda")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        square = square @ square
        square /= square.norm()
        torch.cuda.synchronize()
