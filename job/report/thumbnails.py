"""Single images of a dataset as PNG inside the page."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """The `data:` address of a PNG of (H, W), (1, H, W) or (3, H, W) pixels, not enlarged."""
    buffer = io.BytesIO()
    Image.fromarray(_in_rows(pixels)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _in_rows(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels as Pillow wants them: grey (H, W), or with the colours of a pixel side by side."""
    channels_last = np.moveaxis(pixels, 0, -1) if pixels.ndim > 2 else pixels  # noqa: PLR2004
    return np.ascontiguousarray(channels_last.squeeze(-1) if _is_grey(pixels) else channels_last)


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return pixels.ndim > 2 and pixels.shape[0] == 1  # noqa: PLR2004
