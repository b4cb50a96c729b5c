"""Claims about `job.weights.legacy`: torch's files of before 1.6, which torchvision still has."""

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from job.weights import legacy, pth
from weight_files import Armed


def _saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(2, 2))


def test_state_dict_is_read_as_torch_reads_it() -> None:
    """Weights, running statistics, and the count in int64; shared and turned ones, too."""
    whole = torch.arange(24.0).view(4, 6)
    shared = OrderedDict(whole=whole, turned=whole.T, row=whole[2], number=torch.tensor(7))
    for state in (_network().state_dict(), dict(_network().named_parameters()), shared, {}):
        content = _saved(state)
        expected = torch.load(io.BytesIO(content), weights_only=True)
        seen = pth.decode(content)

        assert list(seen) == list(expected)
        for name, value in expected.items():
            assert torch.equal(seen[name], value)
            assert seen[name].dtype == value.dtype


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(share: float) -> None:
    """Wherever it broke off."""
    content = _saved(_network().state_dict())

    with pytest.raises((ValueError, IndexError, EOFError, KeyError)):
        pth.decode(content[: int(share * len(content))])


def test_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    """What an attacker would put there."""
    with pytest.raises(ValueError, match="no state_dict needs"):
        pth.decode(_saved({"weight": Armed(tmp_path / "marker")}))
    assert not (tmp_path / "marker").exists()


def test_length_that_the_file_claims_takes_no_memory() -> None:
    """A storage of a terabyte is read to the file's end, and is too short."""
    content = _saved({"weight": torch.zeros(2)})
    claimed = content.replace(b"K\x02N", b"J\xff\xff\xff\x7fN")
    assert claimed != content

    with pytest.raises((ValueError, RuntimeError)):
        pth.decode(claimed)


def test_numbers_from_a_machine_of_the_other_byte_order_are_refused() -> None:
    """They would be read as other numbers."""
    content = _saved({"weight": torch.zeros(2)})
    name = b"little_endian"
    at = content.index(name) + len(name)
    turned = content[:at] + content[at:].replace(b"\x88", b"\x89", 1)

    with pytest.raises(ValueError, match="order of bytes"):
        pth.decode(turned)


def test_newer_files_do_not_begin_like_one() -> None:
    """The beginning alone decides who reads a file."""
    buffer = io.BytesIO()
    torch.save({}, buffer)

    assert _saved({}).startswith(legacy.BEGINNING)
    assert not buffer.getvalue().startswith(legacy.BEGINNING)


def test_count_beside_the_numbers_must_agree() -> None:
    """A file that says two things of a storage is not the one that was written."""
    content = bytearray(_saved({"weight": torch.zeros(2)}))
    content[-16] = 3

    with pytest.raises(ValueError, match="has 3 numbers and 8 bytes for 2"):
        pth.decode(bytes(content))
