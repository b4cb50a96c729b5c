"""What every source of images gives: arrays of pixels and labels, and where they came from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from job.stop import StopFlag


@dataclass(frozen=True, eq=False)
class Dataset:
    """Read-only pixels uint8, (N, H, W) if grey or (N, C, H, W), and labels (N,) of `classes`.

    `digests` are SHA-256 by the name of what was digested: files, or the arrays themselves.
    """

    name: str
    classes: tuple[str, ...]
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.integer[Any]]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.integer[Any]]
    digests: dict[str, str]
    folder: Path

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        *channels, height, width = self.train_images.shape[1:]
        return (channels[0] if channels else 1, height, width)


class Reader(Protocol):
    """Reads one dataset."""

    def __call__(self, *, data_dir: Path, offline: bool, stop: StopFlag | None = None) -> Dataset:
        """Find or fetch it; raises `DataError`, and `InterruptedRunError` after a `stop`."""
        ...
