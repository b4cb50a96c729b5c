"""torch's zip archives, opened only if they are small when unpacked and whole."""

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

# torch only stores; the other kinds that zip knows can ask for gigabytes before the first byte.
KINDS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
NETWORKS_TO_A_FILE: Final = 3
OUTLINE_BYTES_PER_TENSOR: Final = 1000  # a program's index takes 300 for each, a pickle 130


@dataclass(frozen=True)
class Bounds:
    """The most bytes of a file, packed or not, and of what says which of its numbers are what.

    These are the quickstart's: three times what the network has, and twenty times its 3,000.
    """

    file_bytes: int = 2**23
    outline_bytes: int = 2**16

    @classmethod
    def of(cls, network: nn.Module) -> "Bounds":
        """What a file of `network` may have, if that is more."""
        tensors = network.state_dict().values()
        held = sum(value.numel() * value.element_size() for value in tensors)
        return cls(
            max(cls.file_bytes, NETWORKS_TO_A_FILE * held),
            max(cls.outline_bytes, OUTLINE_BYTES_PER_TENSOR * len(tensors)),
        )

    @classmethod
    def of_file(cls, size: int) -> "Bounds":
        """What a file of any network may unpack to, which has `size` bytes."""
        # torch stores and does not pack; what says which is which was 1 in 3,000 of resnet18.
        return cls(max(cls.file_bytes, size + size // 8), max(cls.outline_bytes, size // 100))


QUICKSTARTS: Final = Bounds()


def open_whole(data: bytes, bounds: Bounds = QUICKSTARTS) -> zipfile.ZipFile:
    """Open the archive.

    Raises `ValueError` or what `zipfile` raises for one that is too large, altered or torn.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = archive.infolist()
    if (size := sum(member.file_size for member in members)) > bounds.file_bytes:
        raise ValueError(f"it unpacks to {size} bytes, at most {bounds.file_bytes} are")
    if strange := [member.filename for member in members if member.compress_type not in KINDS]:
        raise ValueError(f"{strange[0]} is packed in a way that torch does not know")
    # All of it, read or not: a file that is damaged anywhere is not the one that was written.
    if (altered := archive.testzip()) is not None:
        raise ValueError(f"{altered} is altered")
    return archive


def root_of(archive: zipfile.ZipFile) -> str:
    """Return the name of the folder that torch puts everything into."""
    return archive.namelist()[0].split("/")[0]


def outline(archive: zipfile.ZipFile, name: str, bounds: Bounds = QUICKSTARTS) -> bytes:
    """Return the member that says which numbers are what.

    Raises `ValueError` for one that is longer than any network needs.
    """
    if (size := archive.getinfo(name).file_size) > bounds.outline_bytes:
        raise ValueError(f"{name} has {size} bytes, at most {bounds.outline_bytes} are read")
    return archive.read(name)


def numbers(archive: zipfile.ZipFile, name: str, kind: torch.dtype) -> Tensor:
    """Return the numbers of a member, in one dimension."""
    return torch.frombuffer(bytearray(archive.read(name)), dtype=kind)
