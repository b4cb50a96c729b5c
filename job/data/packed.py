"""Packed files that are known by their MD5 only, unpacked within bounds."""

import gzip
import hashlib
import io
import zlib
from typing import Final

from job.errors import DataError

PACKED_SUFFIX: Final = ".gz"


def require_md5(data: bytes, md5: str, origin: str) -> None:
    """Raise `DataError`, which calls the data `origin`, unless they are the published ones."""
    seen = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if seen != md5:
        raise DataError(
            f"{origin} is altered: {len(data)} bytes with MD5 {seen}",
            allowed=f"MD5 {md5}",
            fix=f"delete {origin} and start again",
        )


def unpacked(data: bytes, limit_bytes: int, origin: str) -> bytes:
    """What the gzip `data` hold; raises `DataError` for torn ones, and for more than the limit."""
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            content = stream.read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{origin} cannot be unpacked: {error}") from error
    if len(content) > limit_bytes:
        raise DataError(f"{origin} unpacks to more than {limit_bytes} bytes")
    return content
