"""The images of mistakes are the dataset's, pixel by pixel."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from job.report.thumbnails import thumbnail

GREY = np.arange(28 * 20, dtype=np.uint8).reshape(28, 20)
COLOURED = np.stack([GREY, GREY[::-1], 255 - GREY])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [(GREY, GREY), (GREY[None], GREY), (COLOURED, np.moveaxis(COLOURED, 0, -1))],
    ids=["grey", "one channel", "three channels"],
)
def test_thumbnail_holds_the_pixels_that_it_was_given(
    pixels: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> None:
    """Nothing is scaled, mirrored or lost; the browser does the enlarging."""
    kind, data = thumbnail(pixels).split(",")

    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert np.array_equal(np.asarray(picture), expected)
