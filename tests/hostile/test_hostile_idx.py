"""Dataset files of a stranger: the published bytes, or exit code 65."""

import gzip
import io
import struct
from pathlib import Path

import pytest
from hypothesis import example, given

import folder_targets
import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from job.data import content, idx
from job.data.spec import FASHION_MNIST
from job.errors import DataError
from whole_files import whole

FILE = FASHION_MNIST.train_images
NONE_OF_HUGE = struct.pack(">HBB3I", 0, 8, 3, 0, 2**32 - 1, 2**32 - 1)
HUGE = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)


@given(spoilt(whole("idx_file")))
@many(quick=300, full=50_000)
def test_spoilt_file_is_taken_or_refused(data: bytes) -> None:
    """Header or pixels, too short, too long."""
    with inert():
        targets.idx_file(data)


@given(spoilt(whole("idx_of_any_shape")))
@example(NONE_OF_HUGE)
@many(quick=300, full=50_000)
def test_spoilt_file_of_any_shape_is_taken_or_refused(data: bytes) -> None:
    """Whatever shape it claims, none of no values among them."""
    with inert():
        folder_targets.idx_of_any_shape(data)


@given(spoilt(whole("packed_file")))
@many(quick=300, full=50_000)
def test_spoilt_packed_file_is_taken_or_refused(data: bytes) -> None:
    """Whatever the changes do to a decompressor."""
    with inert():
        targets.packed_file(data)


def test_header_that_claims_all_images_there_could_be_takes_nothing() -> None:
    """2^32 images of 2^32 by 2^32 pixels are refused by their header alone."""
    with modest(4 * MEBIBYTE), pytest.raises(DataError, match="has the shape"):
        idx.decode(HUGE, FILE.shape)


@pytest.mark.parametrize("name", [FILE.name, FILE.name + ".gz"])
def test_file_of_a_terabyte_takes_no_more_than_the_real_one(tmp_path: Path, name: str) -> None:
    """Holes cost their maker nothing; here not more than the 47 MB that were to be read."""
    head = gzip.compress(HUGE) if name.endswith(".gz") else HUGE
    with (tmp_path / name).open("wb") as file:
        file.write(head)
        file.truncate(2**40)
    with modest(100 * MEBIBYTE), pytest.raises(DataError, match="too long"):
        content.read(tmp_path / name, FILE)


def test_bomb_takes_no_more_than_the_real_file() -> None:
    """A gigabyte of zeros is a megabyte when packed."""
    bomb = io.BytesIO(gzip.compress(bytes(2**30), 1))
    with modest(100 * MEBIBYTE), pytest.raises(DataError, match="too long"):
        content.unpack(bomb, FILE, origin="a bomb")


def test_bomb_of_many_parts_takes_no_more_either() -> None:
    """Two million packed files of nothing, one after the other."""
    bomb = io.BytesIO(gzip.compress(b"", mtime=0) * 2_000_000)
    with modest(100 * MEBIBYTE, seconds=60), pytest.raises(DataError, match="truncated: 0 of"):
        content.unpack(bomb, FILE, origin="a bomb")
