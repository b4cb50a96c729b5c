"""torch's zip archives, opened only if they are small when unpacked and whole."""

import io
import zipfile
from typing import Final

import torch
from torch import Tensor

LIMIT_BYTES: Final = 2**23  # three times what the network has; an archive can unpack to far more
LIMIT_OUTLINE_BYTES: Final = 2**16  # names and shapes of a network; ours take 3,000
# torch only stores; the other kinds that zip knows can ask for gigabytes before the first byte.
KINDS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_whole(data: bytes) -> zipfile.ZipFile:
    """Open the archive.

    Raises `ValueError` or what `zipfile` raises for one that is too large, altered or torn.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = archive.infolist()
    if (size := sum(member.file_size for member in members)) > LIMIT_BYTES:
        raise ValueError(f"it unpacks to {size} bytes, at most {LIMIT_BYTES} are")
    if strange := [member.filename for member in members if member.compress_type not in KINDS]:
        raise ValueError(f"{strange[0]} is packed in a way that torch does not know")
    # All of it, read or not: a file that is damaged anywhere is not the one that was written.
    if (altered := archive.testzip()) is not None:
        raise ValueError(f"{altered} is altered")
    return archive


def root_of(archive: zipfile.ZipFile) -> str:
    """Return the name of the folder that torch puts everything into."""
    return archive.namelist()[0].split("/")[0]


def outline(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the member that says which numbers are what.

    Raises `ValueError` for one that is longer than any network needs.
    """
    if (size := archive.getinfo(name).file_size) > LIMIT_OUTLINE_BYTES:
        raise ValueError(f"{name} has {size} bytes, at most {LIMIT_OUTLINE_BYTES} are read")
    return archive.read(name)


def floats(archive: zipfile.ZipFile, name: str) -> Tensor:
    """Return the float32 numbers of a member, in one dimension."""
    return torch.frombuffer(bytearray(archive.read(name)), dtype=torch.float32)
