"""Names the clothes on pictures with weights that a run has left."""

import io
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from job import weights
from job.data import source
from job.data.spec import FASHION_MNIST
from job.data.split import as_input
from job.errors import DataError
from job.logs import is_for_people
from job.reading import read_bounded
from job.settings import PredictSettings

SIDE: Final = 28
BRIGHT: Final = 127
# Pillow knows more, among them some that start other programs to be read.
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
# A telephone's JPEG of 50 million pixels is within both; unpacked it takes four bytes a pixel.
LIMIT_BYTES: Final = 2**25
LIMIT_PIXELS: Final = 2**26
# Each scan goes over the whole picture; a progressive JPEG has ten, a hostile one millions.
LIMIT_SCANS: Final = 100
JPEG: Final = b"\xff\xd8"
SCAN: Final = b"\xff\xda"


@dataclass(frozen=True)
class Picture:
    """Pixels (28, 28) uint8, what they are called, and what was done to get them."""

    name: str
    pixels: Tensor
    notes: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True)
class Prediction:
    """The softmax probability of each class for one picture, in the order of the classes."""

    picture: Picture
    probabilities: dict[str, float]

    @property
    def best(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "picture": self.picture.name,
            "class": self.best,
            "probability": self.probabilities[self.best],
            "label": self.picture.label,
            "notes": list(self.picture.notes),
            "probabilities": self.probabilities,
        }


def answer(settings: PredictSettings) -> str:
    """A table for people, JSON for programs; raises as `predict` does."""
    predictions = list(predict(settings))
    if is_for_people(settings.log_format, sys.stdout):
        return "\n\n".join(table(prediction) for prediction in predictions)
    return json.dumps([prediction.as_json() for prediction in predictions], indent=2)


def table(prediction: Prediction) -> str:
    """What a person wants to know, the most probable class first."""
    picture = prediction.picture
    truth = f" (it is {picture.label})" if picture.label else ""
    ranked = sorted(prediction.probabilities.items(), key=lambda item: item[1], reverse=True)
    notes = [f"  note: {note}" for note in picture.notes]
    rows = [f"  {share:7.2%}  {name}" for name, share in ranked]
    return "\n".join([f"{picture.name}: {prediction.best}{truth}", *notes, *rows])


def predict(settings: PredictSettings) -> Iterator[Prediction]:
    """Classify each picture; raises `DataError` for weights or a picture that cannot be read."""
    network = weights.read(settings.weights)
    for picture in _pictures(settings):
        with torch.inference_mode():
            logits = network(as_input(picture.pixels.unsqueeze(0)))
        shares = torch.softmax(logits.double(), dim=1)[0].tolist()
        yield Prediction(picture, dict(zip(FASHION_MNIST.classes, shares, strict=True)))


def read_picture(path: Path) -> Picture:
    """Read a picture file; what is not 28×28 grey is converted, and that is said.

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
                return _convert(str(path), image)
    except Exception as error:
        # Each format has its own reader, and each reader its own errors for a torn file.
        raise DataError(
            f"cannot read the picture {path}: {_cause(error)}",
            allowed=f"a picture of the kind {', '.join(FORMATS)}",
            fix="check the path and the file, or save the picture as PNG",
        ) from error


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


def _convert(name: str, image: Image.Image) -> Picture:
    notes = []
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        notes.append("turned upright, as the camera says")
    grey, note = _to_grey(ImageOps.exif_transpose(image))
    notes += note
    if grey.size != (SIDE, SIDE):
        notes.append(f"fitted from {grey.width}×{grey.height} to {SIDE}×{SIDE}")
        grey = _fit(grey)
    pixels = torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(SIDE, SIDE)
    if _border(pixels).float().mean() > BRIGHT:
        notes.append("the background is bright; the training images have a black one")
    return Picture(name, pixels, tuple(notes))


def _to_grey(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if image.has_transparency_data:
        note = f"converted from {image.mode} to grey, transparent parts to black"
        black = Image.new("RGBA", image.size, "black")
        return Image.alpha_composite(black, image.convert("RGBA")).convert("L"), [note]
    if image.mode == "L":
        return image, []
    note = f"converted from {image.mode} to grey"
    if image.mode.startswith("I"):  # 16 bits a pixel; `convert` alone would cut at 255
        image = image.point(lambda value: value / 256)
    return image.convert("L"), [note]


def _fit(image: Image.Image) -> Image.Image:
    # As the dataset was made: the longer side decides, the rest is filled with background.
    background = cast("int", image.getpixel((0, 0)))
    return ImageOps.pad(image, (SIDE, SIDE), color=background)


def _pictures(settings: PredictSettings) -> Iterator[Picture]:
    if settings.test_image is None:
        yield from map(read_picture, settings.pictures)
    else:
        yield _test_image(settings, settings.test_image)


def _test_image(settings: PredictSettings, index: int) -> Picture:
    read = source.read(FASHION_MNIST, data_dir=settings.data_dir, offline=settings.data_offline)
    label = FASHION_MNIST.classes[int(read.test_labels[index])]
    return Picture(f"test image {index}", torch.tensor(read.test_images[index]), label=label)


def _border(pixels: Tensor) -> Tensor:
    return torch.cat([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
