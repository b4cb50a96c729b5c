"""Claims about `job.data.picture`. Formats and hostile files are `test_predict.py`'s."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from job.data import picture
from job.errors import DataError


def test_picture_is_handed_over_open(tmp_path: Path) -> None:
    """What comes of it is returned."""
    Image.new("RGB", (5, 7)).save(tmp_path / "a.png")

    assert picture.read(tmp_path / "a.png", lambda image: image.size) == (5, 7)


@pytest.mark.parametrize("content", [b"", b"words", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    """It names the file and the kinds that are read."""
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(DataError, match=r"cannot read the picture .*a\.png") as caught:
        picture.read(tmp_path / "a.png", lambda image: image.load())
    assert "PNG" in caught.value.allowed


def test_colour_is_upright_and_cut_to_the_middle(tmp_path: Path) -> None:
    """As the camera was held, and without what sticks out of the square."""
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 200
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)

    square = picture.read(tmp_path / "a.png", lambda image: picture.as_colour(image, (4, 4)))

    assert np.asarray(square).min() == 200


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_every_kind_of_picture_becomes_colour(mode: str) -> None:
    """A folder has all kinds of them."""
    fitted = picture.as_colour(Image.new(mode, (9, 5)), (4, 4))

    assert (fitted.mode, fitted.size) == ("RGB", (4, 4))


@pytest.mark.parametrize("given", ["<u2", ">u2"])
def test_sixteen_bits_keep_their_shades(given: str) -> None:
    """Of 65,536 greys evenly spread each of the 256 that are left has its share."""
    deep = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    mode = {"<u2": "I;16", ">u2": "I;16B"}[given]
    image = Image.frombytes(mode, deep.shape, deep.astype(given).tobytes())

    pixels = np.asarray(picture.as_colour(image, (256, 256)))

    assert np.array_equal(pixels, np.repeat((deep // 256)[:, :, None], 3, 2))


def test_file_of_sixteen_bits_is_as_the_same_of_eight(tmp_path: Path) -> None:
    """A scanner's or microscope's setting does not change what is learnt."""
    shallow = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
    Image.fromarray(shallow).save(tmp_path / "8.png")
    Image.fromarray(shallow.astype(np.uint16) * 257).save(tmp_path / "16.png")

    first, second = (
        np.asarray(picture.read(tmp_path / name, lambda image: picture.as_colour(image, (9, 9))))
        for name in ("8.png", "16.png")
    )

    assert np.array_equal(first, second)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_any_range_are_refused(tmp_path: Path, mode: str) -> None:
    """What is white in them nobody knows, and a guess would ruin them silently."""
    Image.new("L", (9, 9)).save(tmp_path / "a.png")

    with pytest.raises(DataError, match=f"pixels of the mode {mode}"):
        picture.read(
            tmp_path / "a.png", lambda image: picture.as_colour(image.convert(mode), (4, 4))
        )
