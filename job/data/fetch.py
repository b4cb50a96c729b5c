"""Fetches the dataset from torchvision's mirrors: once, however many processes start at once.

torchvision's own download helper is not used: it waits for a silent mirror forever, writes under
the final name, and knows only MD5.
"""

import io
from collections.abc import Sequence
from pathlib import Path

from job.data import content
from job.data.download import Published, download, locked, storage_errors
from job.data.spec import DatasetFile, DatasetSpec
from job.files import make_folder, write_bytes
from job.stop import StopFlag


def fetch(
    spec: DatasetSpec,
    data_dir: Path,
    mirrors: Sequence[str] | None = None,
    *,
    stop: StopFlag | None = None,
) -> None:
    """Make `data_dir` hold all files of `spec`; the missing ones come packed, under `NAME.gz`.

    `mirrors` are addresses that end in a slash, tried in order; None means torchvision's. A file
    that is there already is not looked into. Raises `DataError` with each mirror's failure, or
    if `data_dir` cannot be written, and `InterruptedRunError` after a `stop`; the files that were
    whole by then stay.
    """
    stop = stop or StopFlag()
    with storage_errors(data_dir):
        make_folder(data_dir)
        with locked(data_dir, stop):
            found = content.locate(spec, data_dir)
            for file in (file for file in spec.files if file not in found):
                packed = download(_published(mirrors, file), stop)
                write_bytes(data_dir / _packed_name(file), packed)


def _packed_name(file: DatasetFile) -> str:
    return file.name + content.PACKED_SUFFIX


def _published(mirrors: Sequence[str] | None, file: DatasetFile) -> Published:
    def verify(packed: bytes, origin: str) -> None:
        content.unpack(io.BytesIO(packed), file, origin)

    return Published(_urls(mirrors, file), content.packed_limit_bytes(file), verify)


def _urls(mirrors: Sequence[str] | None, file: DatasetFile) -> list[str]:
    known = _torchvision_mirrors() if mirrors is None else mirrors
    return [mirror + _packed_name(file) for mirror in known]


def _torchvision_mirrors() -> list[str]:
    # Here and not above, because it takes seconds and most runs never come here.
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    mirrors: list[str] = FashionMNIST.mirrors
    return mirrors
