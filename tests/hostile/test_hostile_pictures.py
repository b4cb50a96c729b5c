"""Pictures of a stranger: 28 by 28 grey levels, or exit code 65."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from job.data.picture import LIMIT_PIXELS
from job.errors import DataError
from job.predict import read_picture
from whole_files import whole

# What the largest picture that is read takes, in all its copies.
MOST_BYTES = 1300 * MEBIBYTE


@given(spoilt(whole("picture")))
@many(quick=500, full=50_000)
def test_spoilt_picture_is_taken_or_refused(data: bytes) -> None:
    """Of every kind that is read."""
    with inert():
        targets.picture(data)


def _refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with inert(), pytest.raises(DataError, match="cannot read the picture") as caught:
        read_picture(path)
    return caught.value.seen


def _png(width: int, height: int, colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), *chunks, (b"IEND", b""))
    )


def _rows(width: int, height: int, channels: int) -> tuple[bytes, bytes]:
    """Black pixels, packed a thousand to one."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels)
    return b"IDAT", b"".join(packer.compress(row) for _ in range(height)) + packer.flush()


@pytest.mark.parametrize(
    ("side", "cause"),
    [
        (8_193, "67125249 pixels, at most 67108864"),
        (9_400, "88360000 pixels, at most 67108864"),
        (20_000, "exceeds limit"),
        (2**31 - 1, "exceeds limit"),
    ],
)
def test_picture_of_more_pixels_than_any_camera_takes_little(
    tmp_path: Path, side: int, cause: str
) -> None:
    """Refused by its header, whatever may follow: here by us first, or by Pillow."""
    with modest(32 * MEBIBYTE):
        assert cause in _refused(tmp_path, _png(side, side, 6, (b"IDAT", b"")))


@pytest.mark.parametrize(
    "head",
    [
        b"GIF89a" + struct.pack("<HHBBB", 2**16 - 1, 2**16 - 1, 0, 0, 0) + b",",
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6),
        b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\xff" * 6,
        b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
    ],
    ids=["gif", "bmp", "webp", "jpeg"],
)
def test_head_that_claims_the_most_takes_little(tmp_path: Path, head: bytes) -> None:
    """A few bytes that say four thousand million pixels."""
    with modest(64 * MEBIBYTE):
        _refused(tmp_path, head)


def test_largest_picture_takes_what_is_known(tmp_path: Path) -> None:
    """The limit on pixels is a limit on memory, even of a transparent one that is turned."""
    side = int(LIMIT_PIXELS**0.5)
    (tmp_path / "picture.png").write_bytes(_png(side, side, 6, _rows(side, side, 4)))
    with modest(MOST_BYTES, seconds=60):
        assert read_picture(tmp_path / "picture.png").pixels.unique().tolist() == [0]


def test_texts_that_unpack_to_gigabytes_take_little(tmp_path: Path) -> None:
    """Comments are packed, too."""
    bomb = b"Comment\0\0" + zlib.compress(bytes(2**28), 9)
    profile = b"profile\0\0" + zlib.compress(bytes(2**28), 9)
    for chunk in ((b"zTXt", bomb), (b"iCCP", profile), (b"iTXt", b"a\0\1\0\0\0" + bomb[9:])):
        content = _png(28, 28, 0, *[chunk] * 10, _rows(28, 28, 1))
        (tmp_path / "picture.png").write_bytes(content)
        with modest(96 * MEBIBYTE):
            targets.picture(content)


def test_jpeg_of_many_scans_is_refused_at_once(tmp_path: Path) -> None:
    """Each of them, a dozen bytes, goes over all pixels: a few megabytes would take hours."""
    buffer = io.BytesIO()
    grey = Image.fromarray(np.zeros((2_000, 2_000), np.uint8))
    grey.save(buffer, "JPEG", progressive=True)
    whole_file = buffer.getvalue()
    last = whole_file.rindex(b"\xff\xda")
    scan = whole_file[last:-2]
    bomb = whole_file[:last] + scan * 100_000 + whole_file[-2:]

    assert read_picture_of(tmp_path, whole_file)
    with modest(64 * MEBIBYTE, seconds=5):
        assert "scans, at most 100" in _refused(tmp_path, bomb[: 2**25])


def read_picture_of(tmp_path: Path, content: bytes) -> bool:
    """Whether a picture with this content is read."""
    path = tmp_path / "whole.jpg"
    path.write_bytes(content)
    return read_picture(path).pixels.shape == (28, 28)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n(x) run\n",
        b"%PDF-1.4\n",
        b"#define a_width 28\n#define a_height 28\nstatic char a_bits[] = {0};",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"P6 28 28 255\n" + bytes(28 * 28 * 3),
        b"\xd7\xcd\xc6\x9a" + bytes(100),
    ],
    ids=["eps", "pdf", "xbm", "svg", "ppm", "wmf"],
)
def test_kinds_that_run_or_fetch_something_are_refused(tmp_path: Path, content: bytes) -> None:
    """Pillow would start Ghostscript for some of them."""
    assert "not a picture, or one" in _refused(tmp_path, content)


def test_pipe_and_terabyte_are_refused_at_once(tmp_path: Path) -> None:
    """Neither is waited for, neither is read."""
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "holes.png").open("wb") as file:
        file.write(whole("picture")[0])
        file.truncate(2**40)
    for name, cause in (("pipe.png", "Not a regular file"), ("holes.png", "File too large")):
        with modest(32 * MEBIBYTE), pytest.raises(DataError, match=cause):
            read_picture(tmp_path / name)
