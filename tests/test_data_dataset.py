"""Claims about `job.data.dataset`."""

from pathlib import Path

import numpy as np
import pytest

from job.data.dataset import Dataset


@pytest.mark.parametrize(
    ("pixels", "expected"), [((4, 28, 30), (1, 28, 30)), ((4, 3, 8, 9), (3, 8, 9))]
)
def test_shape_has_channels_also_where_the_array_has_none(
    pixels: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    """Networks are built for channels, height and width; grey pixels have one channel."""
    images, labels = np.zeros(pixels, np.uint8), np.zeros(4, np.uint8)
    dataset = Dataset("some", ("a",), images, labels, images, labels, {}, Path())

    assert dataset.shape == expected
