"""Claims of job.data.idx."""

import math
import struct
from typing import Any

import numpy as np
import pytest

from datasets import encode
from job.data import idx
from job.errors import DataError

VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.arange(5, dtype=np.uint8)


@pytest.mark.parametrize("values", [VALUES, LABELS], ids=["images", "labels"])
def test_decoded_values_equal_the_encoded_ones(values: np.ndarray) -> None:
    """Images and labels come back in their shape, row by row."""
    decoded = idx.decode(encode(values), values.shape)

    np.testing.assert_array_equal(decoded, values)
    assert decoded.dtype == np.uint8


def test_decoded_values_are_a_read_only_view() -> None:
    """Decoding copies nothing, and nobody can alter what was verified."""
    data = encode(VALUES)
    decoded = idx.decode(data, VALUES.shape)

    assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))
    assert not decoded.flags.writeable


def test_encoded_size_is_header_and_values() -> None:
    """The size is known from the shape alone."""
    assert [idx.encoded_size(v.shape) for v in (VALUES, LABELS)] == [
        len(encode(v)) for v in (VALUES, LABELS)
    ]


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00", b"<html>", encode(LABELS)], ids=["empty", "torn", "page", "labels"]
)
def test_other_magic_number_is_refused(data: bytes) -> None:
    """What is not IDX, or has other dimensions, is told by its first bytes and the wanted ones."""
    with pytest.raises(DataError) as caught:
        idx.decode(data, VALUES.shape, origin="some-file")

    assert caught.value.seen == f"some-file begins with 0x{data[:4].hex()}"
    assert caught.value.allowed.startswith("0x00000803")


def test_other_shape_of_the_same_size_is_refused() -> None:
    """Bytes that fit by their count are still not those of another shape."""
    with pytest.raises(DataError) as caught:
        idx.decode(encode(VALUES), (2, 4, 3))

    assert caught.value.seen == "the data has the shape (2, 3, 4)"
    assert caught.value.allowed == "(2, 4, 3)"


def test_end_within_the_header_is_told() -> None:
    """A file may end before it has said its shape."""
    with pytest.raises(DataError, match="the data ends within its header"):
        idx.decode(encode(VALUES)[:10], VALUES.shape)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(encode(VALUES)[:-1], "is truncated: 39", id="short"),
        pytest.param(encode(VALUES) + b"\0", "is too long: 41", id="long"),
    ],
)
def test_other_length_is_refused(data: bytes, fault: str) -> None:
    """Neither missing nor surplus bytes pass."""
    with pytest.raises(DataError, match=f"the data {fault} bytes\nallowed: 40 bytes"):
        idx.decode(data, VALUES.shape)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4)])
@pytest.mark.parametrize(("code", "kind"), [(8, np.dtype(np.uint8)), (12, np.dtype(">i4"))])
def test_shape_and_type_are_taken_from_the_header(
    shape: tuple[int, ...], code: int, kind: np.dtype[Any]
) -> None:
    """Of files whose length nobody has published; the count of dimensions is the caller's."""
    values = np.arange(math.prod(shape)).reshape(shape).astype(kind)
    data = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + values.tobytes()

    assert np.array_equal(idx.decode_any(data, len(shape), "here"), values)
    for wrong in (data[:-1], data + b"\0", data[:5], b"", b"\0\0\x0d\x01" + data[4:]):
        with pytest.raises(DataError, match="here "):
            idx.decode_any(wrong, len(shape), "here")
    with pytest.raises(DataError, match="dimensional"):
        idx.decode_any(data, len(shape) + 1, "here")
