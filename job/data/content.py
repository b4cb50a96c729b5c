"""The unpacked bytes of one dataset file, which count only if their SHA-256 is the wanted one."""

import gzip
import hashlib
import io
import zlib
from pathlib import Path
from typing import BinaryIO, Final

from job.data.spec import DatasetFile, DatasetSpec
from job.errors import DataError
from job.reading import open_regular

PACKED_SUFFIX: Final = ".gz"


def locate(spec: DatasetSpec, folder: Path) -> dict[DatasetFile, Path]:
    """Those files of `spec` that are in `folder`; where both are, the raw one and not the packed.

    Raises `OSError` for a folder that cannot be listed.
    """
    paths = {path.name: path for path in folder.iterdir()}
    packed = {file: paths.get(file.name + PACKED_SUFFIX) for file in spec.files}
    found = {file: paths.get(file.name) or packed[file] for file in spec.files}
    return {file: path for file, path in found.items() if path is not None}


def read(path: Path, file: DatasetFile) -> bytes:
    """The unpacked bytes of `path`, verified; a name that ends in `.gz` is unpacked.

    Raises `DataError` that names the path and what is wrong with it.
    """
    try:
        with open_regular(path) as stream:
            return _verified(stream, file, str(path), packed=path.suffix == PACKED_SUFFIX)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def unpack(stream: BinaryIO, file: DatasetFile, origin: str) -> bytes:
    """The unpacked bytes of the gzip `stream`, verified.

    Raises `DataError` that calls the stream `origin` and says what is wrong with it.
    """
    return _verified(stream, file, origin, packed=True)


def packed_limit_bytes(file: DatasetFile) -> int:
    """The most that `file` has when packed: bytes that cannot be packed grow, by less than this."""
    return file.size + file.size // 100 + 1024


def _verified(stream: BinaryIO, file: DatasetFile, origin: str, *, packed: bool) -> bytes:
    data = _unpacked(stream, file, origin) if packed else stream.read(file.size + 1)
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise DataError(
            f"{origin} {_fault(data, file, digest)}",
            allowed=f"{file.size} bytes with SHA-256 {file.sha256}, unpacked",
            fix=_fix(origin),
        )
    return data


def _unpacked(stream: BinaryIO, file: DatasetFile, origin: str) -> bytes:
    # One byte more than wanted tells a file that is too long, however much it would unpack to.
    # Packed, too: what follows may be a terabyte of zeros, which are padding and unpack to nothing.
    limit = packed_limit_bytes(file)
    packed = stream.read(limit + 1)
    if len(packed) > limit:
        raise DataError(f"{origin} is too long: more than {limit} bytes packed", fix=_fix(origin))
    try:
        with gzip.open(io.BytesIO(packed)) as unpacked:
            return unpacked.read(file.size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(origin, error) from error


def _unreadable(origin: str, error: Exception) -> DataError:
    cause = getattr(error, "strerror", None) or error
    return DataError(f"{origin} cannot be read: {cause}", fix=_fix(origin))


def _fault(data: bytes, file: DatasetFile, digest: str) -> str:
    if len(data) > file.size:
        return f"is too long: more than {file.size} bytes"
    if len(data) < file.size:
        return f"is truncated: {len(data)} of {file.size} bytes, SHA-256 {digest}"
    return f"is altered: SHA-256 {digest}"


def _fix(origin: str) -> str:
    return f"delete {origin} and start again, or set JOB_DATA_DIR to a folder with the real files"
