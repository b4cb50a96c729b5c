"""Picture files that anybody may have put there, opened within bounds.

Whatever is wrong with one becomes a `DataError`; what unpacks to gigabytes is never unpacked.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from job.errors import DataError
from job.reading import read_bounded

# Pillow knows more, among them some that start other programs to be read.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
# A telephone's JPEG of 50 million pixels is within both; unpacked it takes four bytes a pixel.
LIMIT_BYTES: Final = 2**25
LIMIT_PIXELS: Final = 2**26
# Each scan goes over the whole picture; a progressive JPEG has ten, a hostile one millions.
LIMIT_SCANS: Final = 100
JPEG: Final = b"\xff\xd8"
SCAN: Final = b"\xff\xda"
SIXTEEN_BITS: Final = "I;16"  # and the order of the bytes
OF_ANY_RANGE: Final = ("I", "F")
TRANSPARENT: Final = "transparency"

Converted = TypeVar("Converted")


def read(path: Path, convert: Callable[[Image.Image], Converted]) -> Converted:
    """What `convert` makes of the picture in the file.

    Raises `DataError` for a file that is missing, torn, of another kind or far too large.
    """
    try:
        data = read_bounded(path, LIMIT_BYTES)
        with warnings.catch_warnings():
            # Pillow warns of what is odd in a file, and of what would unpack to gigabytes.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _require_modest(image, data)
                return convert(image)
    except Exception as error:
        # Each format has its own reader, and each reader its own errors for a torn file.
        raise DataError(
            f"cannot read the picture {path}: {_cause(error)}",
            allowed=f"a picture of the kind {', '.join(FORMATS)}",
            fix="check the path and the file, or save the picture as PNG",
        ) from error


def as_colour(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture upright, in RGB, fitted to (width, height); what sticks out is cut off."""
    upright = eight_bits(ImageOps.exif_transpose(image))
    return ImageOps.fit(upright.convert("RGB"), size, Image.Resampling.BILINEAR)


def eight_bits(image: Image.Image) -> Image.Image:
    """The picture with 8 bits a channel; `convert` alone would make white of all that is more.

    Raises `ValueError` for pixels of which nobody can tell what is white.
    """
    if image.mode in OF_ANY_RANGE:
        raise ValueError(f"pixels of the mode {image.mode}, which has no white")
    if not image.mode.startswith(SIXTEEN_BITS):
        return image
    deep = np.asarray(image)
    # The high byte, which is what Pillow itself keeps of 16 bits a colour.
    scaled = Image.fromarray((deep >> 8).astype(np.uint8))
    if TRANSPARENT in image.info:  # a grey that stands for nothing
        scaled.putalpha(Image.fromarray(deep != image.info[TRANSPARENT]))
    return scaled


def _cause(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or one of another kind"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _require_modest(image: Image.Image, data: bytes) -> None:
    pixels = image.width * image.height
    if pixels > LIMIT_PIXELS:
        raise ValueError(f"{pixels} pixels, at most {LIMIT_PIXELS} are read")
    if data.startswith(JPEG) and (scans := data.count(SCAN)) > LIMIT_SCANS:
        raise ValueError(f"{scans} scans, at most {LIMIT_SCANS} are read")
