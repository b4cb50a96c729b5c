"""Claims of job.data.content."""

import gzip
import hashlib
import io
import os
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from datasets import small_dataset
from job.data import content
from job.data.spec import FASHION_MNIST, DatasetFile
from job.errors import DataError

DATA = bytes(range(256)) * 4 + b"\0" * 8
FILE = DatasetFile("values-idx1-ubyte", (1024,), hashlib.sha256(DATA).hexdigest())
PACKED = gzip.compress(DATA, mtime=0)


def write(folder: Path, data: bytes, name: str = FILE.name) -> Path:
    """A file in `folder` that holds `data`."""
    path = folder / name
    path.write_bytes(data)
    return path


def test_raw_and_packed_file_give_the_same_bytes(tmp_path: Path) -> None:
    """Whether a file is packed does not matter, nor by whom."""
    raw = write(tmp_path, DATA)
    packed = write(tmp_path, gzip.compress(DATA, compresslevel=1), FILE.name + ".gz")

    assert DATA == content.read(raw, FILE) == content.read(packed, FILE)


def test_raw_file_is_taken_before_the_packed_one(tmp_path: Path) -> None:
    """Where both are, as torchvision leaves them, nothing is unpacked."""
    spec = small_dataset(tmp_path, gzip=True)
    small_dataset(tmp_path, gzip=False)

    found = content.locate(spec, tmp_path)

    assert found == {file: tmp_path / file.name for file in spec.files}


def test_only_what_is_there_is_located(tmp_path: Path) -> None:
    """A file that is missing is missing from the answer."""
    spec = small_dataset(tmp_path)
    (tmp_path / f"{spec.test_labels.name}.gz").unlink()

    assert content.locate(spec, tmp_path).keys() == set(spec.files[:3])


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(DATA[:-1], "is truncated: 1031 of 1032 bytes, SHA-256 {digest}", id="short"),
        pytest.param(DATA + b"\0", "is too long: more than 1032 bytes", id="long"),
        pytest.param(DATA[::-1], "is altered: SHA-256 {digest}", id="altered"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_other_content_is_told_by_its_digest(
    tmp_path: Path, data: bytes, fault: str, *, packed: bool
) -> None:
    """The message names the file, what was seen, what is wanted, and what to do."""
    name = FILE.name + ".gz" * packed
    path = write(tmp_path, gzip.compress(data) if packed else data, name)

    with pytest.raises(DataError) as caught:
        content.read(path, FILE)

    digest = hashlib.sha256(data).hexdigest()
    assert caught.value.seen == f"{path} {fault.format(digest=digest)}"
    assert caught.value.allowed == f"1032 bytes with SHA-256 {FILE.sha256}, unpacked"
    assert f"delete {path}" in caught.value.fix


@pytest.mark.parametrize(
    ("packed", "cause"),
    [
        pytest.param(DATA, "Not a gzipped file", id="raw"),
        pytest.param(PACKED[:-9], "ended before the end-of-stream marker", id="truncated"),
        pytest.param(PACKED[:10] + b"\xff" * 20, "Error -3", id="overwritten"),
        pytest.param(PACKED[:-5] + b"\xff" + PACKED[-4:], "CRC check failed", id="checksum"),
        pytest.param(PACKED + b"garbage", "Not a gzipped file", id="appended"),
    ],
)
def test_damaged_packing_is_told(tmp_path: Path, packed: bytes, cause: str) -> None:
    """A packed file that cannot be unpacked is named with the reason."""
    path = write(tmp_path, packed, FILE.name + ".gz")

    with pytest.raises(DataError, match=f"{path} cannot be read: .*{cause}"):
        content.read(path, FILE)


def test_folder_under_the_name_of_a_file_is_told(tmp_path: Path) -> None:
    """Some unpackers make a folder of that name; it is there, and it is no file."""
    folder = tmp_path / FILE.name
    folder.mkdir()

    with pytest.raises(DataError, match=f"{folder} cannot be read: Is a directory"):
        content.read(folder, FILE)


def test_unpacking_a_bomb_takes_no_more_memory_than_the_file() -> None:
    """A small file that unpacks to far too much is refused after the wanted size."""
    bomb = gzip.compress(bytes(2**20))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="a bomb is too long: more than 1032 bytes"):
            content.unpack(io.BytesIO(bomb), FILE, origin="a bomb")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2**18


@pytest.mark.timeout(20)
def test_zeros_after_a_packed_file_are_not_read_for_ever(tmp_path: Path) -> None:
    """They are padding and unpack to nothing; a terabyte of them costs its maker no disk."""
    path = write(tmp_path, PACKED, FILE.name + ".gz")
    with path.open("ab") as file:
        file.truncate(2**40)

    with pytest.raises(DataError, match="is too long: more than 2066 bytes packed"):
        content.read(path, FILE)


def test_bytes_that_cannot_be_packed_are_within_the_limit() -> None:
    """Packed as badly as it goes, each file of the real dataset would still be read."""
    for file in FASHION_MNIST.files:
        noise = random.Random(file.name).randbytes(file.size)

        assert len(gzip.compress(noise, 1)) <= content.packed_limit_bytes(file)


def test_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / FILE.name)

    with pytest.raises(DataError, match="Not a regular file"):
        content.read(tmp_path / FILE.name, FILE)


def test_digest_decides_and_not_the_name(tmp_path: Path) -> None:
    """The same bytes under another name are still the wanted ones."""
    path = write(tmp_path, DATA, "other")

    assert content.read(path, replace(FILE, name="unheard-of")) == DATA
