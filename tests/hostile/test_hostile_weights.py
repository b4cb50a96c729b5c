"""Weights of a stranger: numbers of the right shapes, or exit code 65; never code, never much."""

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from weight_files import encoded, pth_with, refused
from whole_files import whole

# The pieces of which pickles are made, with arguments that ask for much.
PIECES = (
    *(bytes([code]) for code in b"(.0121NIJKMGTUSXYV]})\x85\x86\x87\x88\x89\x8e\x8f\x90\x91\x92"),
    *(
        bytes([code])
        for code in b"abcdeghijlopqrstuQPRB\x80\x81\x82\x83\x84\x8a\x8b\x8c\x8d\x93\x94"
    ),
    b"ctorch\nFloatStorage\n",
    b"ctorch\nFloatTensor\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"cbuiltins\nbytearray\n",
    b"cos\nsystem\n",
    b"X\x04\x00\x00\x00true",
    b"X\x07\x00\x00\x00storage",
    b"X\x01\x00\x00\x000",
    b"X\x03\x00\x00\x00cpu",
    b"J\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"K\x0a",
    b"q\x00",
    b"h\x00",
    b"r\xff\xff\xff\x7f",
)
PROGRAMS = st.lists(st.sampled_from(PIECES), max_size=40).map(
    lambda parts: b"\x80\x02" + b"".join(parts)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)


@pytest.mark.parametrize(
    "name",
    ["safetensors_file", "safetensors_header", "pth_file", "pth_program", "pt2_file", "pt2_index"],
)
def test_spoilt_weights_are_taken_or_refused(name: str) -> None:
    """Whole files, and the parts that say which numbers are what, under checksums that fit."""

    @given(spoilt(whole(name)))
    @many(quick=150, full=20_000)
    def feed(data: bytes) -> None:
        with inert():
            targets.TARGETS[name](data)

    feed()


@given(PROGRAMS)
@many(quick=300, full=50_000)
def test_any_pickle_is_refused(program: bytes) -> None:
    """Programs made of all operations that pickles have, and of calls that ask for much."""
    with inert():
        targets.pth_program(program)


@given(JSON)
@many(quick=200, full=20_000)
def test_any_outline_is_refused(value: object) -> None:
    """JSON of any shape, where names and shapes of tensors are meant to be."""
    outline = json.dumps(value).encode()
    with inert():
        targets.safetensors_header(outline)
        targets.pt2_index(outline)


@pytest.mark.parametrize("claimed", [2**20, 2**40, 2**63 - 1, 2**64 - 1])
def test_header_that_claims_terabytes_takes_nothing(tmp_path: Path, claimed: int) -> None:
    """Of the header itself, or of a tensor in it."""
    shape = [claimed, 4]
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, min(claimed * 16, 2**64 - 1)]}
    header = json.dumps({"a": entry}).encode()
    with modest(32 * MEBIBYTE):
        refused(tmp_path, "model.safetensors", struct.pack("<Q", claimed) + b"{}")
        refused(tmp_path, "model.safetensors", struct.pack("<Q", len(header)) + header)


def test_names_of_a_million_tensors_take_little(tmp_path: Path) -> None:
    """Each costs its maker sixty bytes, and would cost its reader a thousand."""
    entry = '"%06d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = ("{" + ",".join(entry % number for number in range(100_000)) + "}").encode()
    with modest(32 * MEBIBYTE):
        refused(tmp_path, "model.safetensors", struct.pack("<Q", len(header)) + header)


def test_archive_of_a_hundred_thousand_members_takes_little(tmp_path: Path) -> None:
    """As many as fit in what is read at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(70_000):
            archive.writestr(f"a/{number}", b"")
    with modest(128 * MEBIBYTE, seconds=30):
        refused(tmp_path, "model.pth", buffer.getvalue())


def test_members_that_share_their_bytes_are_counted_each(tmp_path: Path) -> None:
    """A directory that points to one member ten thousand times is what a bomb is made of."""
    content = encoded(".pth")
    end = content.rindex(b"PK\x05\x06")
    count, size, first = struct.unpack("<HII", content[end + 10 : end + 20])
    directory = content[first : first + size]
    times = 2**15 // count
    closing = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, *[count * times] * 2, size * times, first, 0
    )
    with modest(64 * MEBIBYTE):
        assert "unpacks to" in refused(
            tmp_path, "model.pth", content[:first] + directory * times + closing
        )


@pytest.mark.parametrize(
    "program",
    [
        b"(" * 65_000,
        b"}" * 65_000,
        b"]" * 65_000,
        b")q\x00" + b"h\x00" * 32_000,
        b"}" + b"(" * 30_000 + b"u" * 30_000,
        b")" + b"\x85" * 65_000 + b".",
        b"}(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ\x00\x00\x04\x00t"
        + b"q\x00Qh\x00" * 10_000
        + b"Q.",
    ],
    ids=["marks", "dicts", "lists", "copies", "nested", "tuple-in-tuple", "one-storage"],
)
def test_pickle_as_long_as_is_read_takes_little(tmp_path: Path, program: bytes) -> None:
    """Whatever it piles up, it is a few megabytes and a second."""
    content = pth_with(b"\x80\x02" + program, **{"0": bytes(2**20)})
    with modest(64 * MEBIBYTE, seconds=5):
        refused(tmp_path, "model.pth", content)


def test_index_of_a_program_as_deep_as_is_read_takes_little(tmp_path: Path) -> None:
    """JSON in JSON in JSON."""
    for index in (b"[" * 65_000, b'{"config":' * 6_000, b"[{}," * 15_000):
        numbers = {"weights/model_weights_config.json": index}
        with modest(64 * MEBIBYTE):
            refused(tmp_path, "model.pt2", pth_with(b"", **numbers))
