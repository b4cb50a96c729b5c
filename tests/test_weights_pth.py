"""Claims about `job.weights.pth`: it reads what torch reads, and unpickles nothing."""

import io
import pickle
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from job import weights
from job.weights import pth
from weight_files import BIAS, Armed, encoded, network, pth_with, refused, rewritten

# A dictionary with one tensor of two numbers, as `torch.save` writes it, less what it remembers.
KEY = b"X\x01\x00\x00\x000"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + KEY + b"X\x03\x00\x00\x00cpuK\x02tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("
TENSOR = REBUILD + STORAGE + b"K\x00K\x02\x85K\x01\x85\x89}tR"
STATE = b"\x80\x02}X\x01\x00\x00\x00a" + TENSOR + b"s."
NUMBERS = torch.tensor([1.5, -2.0]).numpy().tobytes()


def _saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _decoded(program: bytes) -> dict[str, Tensor]:
    return pth.decode(pth_with(program, **{"0": NUMBERS}))


def _require_as_torch_reads(state: dict[str, Tensor]) -> None:
    content = _saved(state)
    expected = torch.load(io.BytesIO(content), weights_only=True)
    seen = pth.decode(content)

    assert list(seen) == list(expected)
    for name, value in expected.items():
        assert torch.equal(seen[name], value)
        assert seen[name].dtype == value.dtype == torch.float32


def test_pth_is_the_quickstarts_file(tmp_path: Path) -> None:
    """`torch.load` and `load_state_dict` of the tutorial take it, and what it saves is taken."""
    path = tmp_path / "model_weights.pth"
    torch.save(network().state_dict(), path)
    assert torch.equal(weights.read(path).state_dict()[BIAS], network().state_dict()[BIAS])

    path.write_bytes(weights.to_pth(network()))
    state = torch.load(path, weights_only=True)
    assert torch.equal(state[BIAS], network().state_dict()[BIAS])


def test_state_dicts_are_read_as_torch_reads_them() -> None:
    """Of the quickstart's network, of a deep one, of none, of one tensor, and as a plain dict."""
    deep = nn.Sequential(*(nn.Linear(2, 2) for _ in range(100)))
    _require_as_torch_reads(dict(network().state_dict()))
    _require_as_torch_reads(network().state_dict())
    _require_as_torch_reads(deep.state_dict())
    _require_as_torch_reads({})
    _require_as_torch_reads({"a": torch.arange(6.0)})


def test_views_are_read_as_torch_reads_them() -> None:
    """Parts, turned and shared ones, of numbers that were saved once."""
    whole = torch.arange(24.0).view(4, 6)
    state = {"turned": whole.T, "column": whole[:, 3], "row": whole[2], "all": whole, "same": whole}

    _require_as_torch_reads(OrderedDict(state, number=torch.tensor(7.0)))


def test_program_of_this_test_is_a_file_that_torch_reads() -> None:
    """So that each attack below differs from it by the attack alone."""
    expected = {"a": torch.tensor([1.5, -2.0])}
    content = pth_with(STATE, **{"0": NUMBERS})

    assert torch.equal(pth.decode(content)["a"], expected["a"])
    assert torch.equal(torch.load(io.BytesIO(content), weights_only=True)["a"], expected["a"])


def test_pth_with_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    """Weights from a stranger are numbers or nothing."""
    armed = _saved({BIAS: Armed(tmp_path / "marker")})
    assert "no state_dict needs" in refused(tmp_path, "model.pth", armed)
    assert not (tmp_path / "marker").exists()

    torch.load(io.BytesIO(armed), weights_only=False)
    assert (tmp_path / "marker").exists()  # so the file was armed


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bare_pickle_with_code_is_refused_and_nothing_runs(tmp_path: Path, protocol: int) -> None:
    """Nor does the format that torch wrote before it wrote archives, whatever its protocol."""
    armed = pickle.dumps(Armed(tmp_path / "marker"), protocol)
    refused(tmp_path, "model.pth", armed)
    refused(tmp_path, "model.pth", pth_with(armed))

    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (b"c__builtin__\nbytearray\n", "calls a function"),
        (b"cbuiltins\nbytearray\n", "calls a function"),
        (b"ctorch\nFloatTensor\n", "calls a function"),
        (b"ctorch\nFloatStorage\n", "calls a function"),
        (b"ctorch.storage\nUntypedStorage\n", "calls a function"),
    ],
)
def test_nothing_of_a_size_that_the_file_names_is_made(function: bytes, cause: str) -> None:
    """`torch.load(weights_only=True)` makes it, if the memory lasts: here two gigabytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=cause):
            _decoded(b"\x80\x02" + function + b"J\xff\xff\xff\x7f\x85R.")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(20)
def test_tuples_that_share_their_parts_are_no_names() -> None:
    """Two to the sixtieth parts in two hundred bytes: to hash them takes longer than to live."""
    doubled = b"".join(b"q%ch%c\x86" % (place, place) for place in range(60))
    for use in (b"K\x01s.", b"R.", b"Q."):
        with pytest.raises((ValueError, TypeError, AttributeError, IndexError)):
            _decoded(b"\x80\x02})" + doubled + use)
    with pytest.raises(ValueError, match="other keys than names"):
        _decoded(b"\x80\x02})" + doubled + b"K\x01s.")


@pytest.mark.timeout(20)
def test_reason_never_tells_what_a_program_has_put_together() -> None:
    """To write such a tuple down takes as long as to hash it."""
    doubled = b")" + b"".join(b"q%ch%c\x86" % (place, place) for place in range(60))
    for program in (
        doubled + b")R.",
        STORAGE.replace(KEY, doubled),
        STORAGE.replace(b"K\x02", doubled),
        STATE[2:].replace(b"K\x02\x85", doubled),
        STATE[2:].replace(b"}tR", doubled + b"tR")[:-1] + b"0.",
    ):
        with pytest.raises(ValueError, match=r"data\.pkl|data/0"):
            _decoded(b"\x80\x02" + program)


@pytest.mark.parametrize("length", [b"K\x01", b"K\x03", b"J\xff\xff\xff\x7f", b"J\xff\xff\xff\xff"])
def test_length_of_the_numbers_is_counted_and_not_believed(length: bytes) -> None:
    """A tensor that reaches past its bytes would show what lies behind them, or crash."""
    with pytest.raises(ValueError, match="data/0 has 2 numbers and claims others"):
        _decoded(STATE.replace(b"cpuK\x02", b"cpu" + length))


@pytest.mark.parametrize("place", [b"K\x00K\x03", b"K\x01K\x02", b"J\xff\xff\xff\xffK\x02"])
def test_tensor_that_reaches_past_its_numbers_is_refused(place: bytes) -> None:
    """By its length, by where it begins, and by beginning before the first."""
    with pytest.raises(RuntimeError):
        _decoded(STATE.replace(b"K\x00K\x02", place))


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (b"FloatStorage", b"HalfStorage", "another kind than float32"),
        (KEY, b"K\x00", "another kind than float32"),
        (b"K\x02\x85K\x01\x85", b"K\x02K\x01", "no row of numbers"),
        (b"K\x02\x85", b"\x88\x85", "no row of numbers"),
        (b"K\x02\x85", STORAGE, "no row of numbers"),
        (b"X\x01\x00\x00\x00a", b"K\x05", "other keys than names"),
        (b"}tR", b"NtR", "asks for NONE"),
        (b"\x80\x02}", b"\x80\x02c__main__\nStranger\n)\x81", "asks for NEWOBJ"),
    ],
)
def test_program_that_says_anything_else_is_refused(old: bytes, new: bytes, cause: str) -> None:
    """The reason says what it is that no state_dict needs."""
    assert old in STATE
    with pytest.raises(ValueError, match=cause):
        _decoded(STATE.replace(old, new))


@pytest.mark.parametrize("program", [b"", b"\x80\x02", b"\x80\x02.", b"t.", b"s.", b"h\x05.", b"."])
def test_program_that_takes_what_it_never_put_is_refused(tmp_path: Path, program: bytes) -> None:
    """A stack that is empty, a mark or a memory that is not there, an end that never comes."""
    refused(tmp_path, "model.pth", pth_with(program))


@pytest.mark.parametrize("program", [b"\x80\x02K\x05.", b"\x80\x02).", STATE])
def test_what_is_no_state_dict_of_the_network_is_refused(tmp_path: Path, program: bytes) -> None:
    """A number, a tuple, another dictionary."""
    refused(tmp_path, "model.pth", pth_with(program, **{"0": NUMBERS}))


def test_numbers_from_a_machine_of_the_other_byte_order_are_refused(tmp_path: Path) -> None:
    """They would be read as other numbers."""
    other = {"little": b"big", "big": b"little"}[sys.byteorder]
    turned = rewritten(encoded(".pth"), "byteorder", lambda _: other, zipfile.ZIP_STORED)

    assert "order of bytes" in refused(tmp_path, "model.pth", turned)
