"""Names what is on pictures, with weights that a run has left and the record beside them."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from job import weights
from job.data import catalog, picture
from job.data.split import as_input
from job.delivered import Delivered, delivered_beside
from job.errors import DataError
from job.logs import is_for_people
from job.settings import PredictSettings

QUICKSTART: Final = (1, 28, 28)
COLOUR: Final = 3
BRIGHT: Final = 127

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """Pixels (H, W) or (C, H, W) uint8, what they are called, and what was done to get them."""

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
    delivered = delivered_beside(settings.weights)
    network = weights.read(settings.weights, delivered.blank_network())
    for each in _pictures(settings, delivered):
        with torch.inference_mode():
            logits = network(as_input(each.pixels.unsqueeze(0)))
        shares = torch.softmax(logits.double(), dim=1)[0].tolist()
        yield Prediction(each, dict(zip(delivered.classes, shares, strict=True)))


def read_picture(path: Path, shape: Shape = QUICKSTART) -> Picture:
    """Read a picture file; what is not of that shape (C, H, W) is converted, and that is said.

    Raises `DataError` for a file that is missing, torn, of another kind or far too large.
    """
    convert = _convert_colour if shape[0] == COLOUR else _convert
    return picture.read(path, partial(convert, str(path), size=(shape[2], shape[1])))


def _convert_colour(name: str, image: Image.Image, size: tuple[int, int]) -> Picture:
    notes = [] if image.size == size else [_fitted(image, size)]
    # As the pictures of an image-folder were read.
    fitted = picture.as_colour(image, size)
    pixels = torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8)
    planes = pixels.view(size[1], size[0], COLOUR).permute(2, 0, 1).contiguous()
    return Picture(name, planes, tuple(notes))


def _fitted(image: Image.Image, size: tuple[int, int]) -> str:
    return f"fitted from {image.width}×{image.height} to {size[0]}×{size[1]}"


def _convert(name: str, image: Image.Image, size: tuple[int, int]) -> Picture:
    notes = []
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        notes.append("turned upright, as the camera says")
    grey, note = _to_grey(ImageOps.exif_transpose(image))
    notes += note
    if grey.size != size:
        notes.append(_fitted(grey, size))
        grey = _fit(grey, size)
    pixels = torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(size[1], size[0])
    if _border(pixels).float().mean() > BRIGHT:
        notes.append("the background is bright; the training images have a black one")
    return Picture(name, pixels, tuple(notes))


def _to_grey(image: Image.Image) -> tuple[Image.Image, list[str]]:
    mode = image.mode
    image = picture.eight_bits(image)
    if image.has_transparency_data:
        note = f"converted from {mode} to grey, transparent parts to black"
        black = Image.new("RGBA", image.size, "black")
        return Image.alpha_composite(black, image.convert("RGBA")).convert("L"), [note]
    if mode == "L":
        return image, []
    return image.convert("L"), [f"converted from {mode} to grey"]


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    # As the dataset was made: the longer side decides, the rest is filled with background.
    background = cast("int", image.getpixel((0, 0)))
    return ImageOps.pad(image, size, color=background)


def _pictures(settings: PredictSettings, delivered: Delivered) -> Iterator[Picture]:
    if settings.test_image is not None:
        yield _test_image(settings, settings.test_image, delivered)
    else:
        delivered.require_pictures()
        yield from (read_picture(path, delivered.shape) for path in settings.pictures)


def _test_image(settings: PredictSettings, index: int, delivered: Delivered) -> Picture:
    reader = catalog.reader(delivered.dataset, delivered.wanted.name, delivered.image_size)
    read = reader(data_dir=settings.data_dir, offline=settings.data_offline)
    if index >= len(read.test_labels):
        raise DataError(
            f"--test-image {index} of {len(read.test_labels)} test images",
            allowed=f"0 to {len(read.test_labels) - 1}",
        )
    label = read.classes[int(read.test_labels[index])]
    return Picture(f"test image {index}", torch.tensor(read.test_images[index]), label=label)


def _border(pixels: Tensor) -> Tensor:
    return torch.cat([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
