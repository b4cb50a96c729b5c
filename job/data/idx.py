"""The IDX format: a magic number, the length of each dimension, then the values, row by row.

The magic number is two zero bytes, the type of the values and the count of the dimensions; lengths
are 32-bit integers, the highest byte first.
"""

import math
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from job.errors import DataError

UNSIGNED_BYTE: Final = 0x08
KINDS: Final[dict[bytes, np.dtype[Any]]] = {b"\x08": np.dtype(np.uint8), b"\x0c": np.dtype(">i4")}
MAGIC_BYTES: Final = 4
LENGTH_BYTES: Final = 4


def encoded_size(shape: tuple[int, ...]) -> int:
    """Bytes of an IDX file that holds unsigned bytes of that shape."""
    return _header_size(shape) + math.prod(shape)


def decode(
    data: bytes, expected_shape: tuple[int, ...], origin: str = "the data"
) -> NDArray[np.uint8]:
    """The values of an IDX file as a read-only view of `data`, in `expected_shape`.

    Raises `DataError`, which calls the file `origin`, for another type, another shape, or too few
    or too many bytes.
    """
    _require_magic(data, len(expected_shape), origin)
    _require_shape(data, expected_shape, origin)
    _require_length(data, encoded_size(expected_shape), origin)
    return np.frombuffer(data, np.uint8, offset=_header_size(expected_shape)).reshape(
        expected_shape
    )


def decode_any(data: bytes, dimensions: int, origin: str) -> NDArray[np.integer[Any]]:
    """The values of an IDX file of unsigned bytes or 32-bit integers, in the shape that it says.

    Raises `DataError`, which calls the file `origin`, for another type, another count of
    dimensions, no values at all, or too few or too many bytes.
    """
    kind = KINDS.get(data[2:3])
    _require_magic(data, dimensions, origin, data[2] if kind else UNSIGNED_BYTE)
    header = MAGIC_BYTES + LENGTH_BYTES * dimensions
    if kind is None or len(data) < header:
        raise DataError(f"{origin} ends within its header")
    shape = struct.unpack(f">{dimensions}I", data[MAGIC_BYTES:header])
    if 0 in shape:  # numpy has no room for the shape if the others are large enough
        raise DataError(f"{origin} has the shape {shape}, and no values")
    _require_length(data, header + math.prod(shape) * kind.itemsize, origin)
    values: NDArray[np.integer[Any]] = np.frombuffer(data, kind, offset=header).reshape(shape)
    return values


def _header_size(shape: tuple[int, ...]) -> int:
    return MAGIC_BYTES + LENGTH_BYTES * len(shape)


def _require_magic(data: bytes, dimensions: int, origin: str, kind: int = UNSIGNED_BYTE) -> None:
    magic = bytes([0, 0, kind, dimensions])
    if data[:MAGIC_BYTES] != magic:
        raise DataError(
            f"{origin} begins with 0x{data[:MAGIC_BYTES].hex()}",
            allowed=f"0x{magic.hex()}, the IDX magic number of {dimensions}-dimensional bytes",
        )


def _require_shape(data: bytes, expected: tuple[int, ...], origin: str) -> None:
    lengths = data[MAGIC_BYTES : _header_size(expected)]
    if len(lengths) < LENGTH_BYTES * len(expected):
        raise DataError(f"{origin} ends within its header", allowed=f"IDX of shape {expected}")
    shape = struct.unpack(f">{len(expected)}I", lengths)
    if shape != expected:
        raise DataError(f"{origin} has the shape {shape}", allowed=str(expected))


def _require_length(data: bytes, expected: int, origin: str) -> None:
    if len(data) != expected:
        fault = "is truncated" if len(data) < expected else "is too long"
        raise DataError(f"{origin} {fault}: {len(data)} bytes", allowed=f"{expected} bytes")
