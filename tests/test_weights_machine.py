"""Claims about `job.weights.machine`; what it makes of whole files is in `test_weights_pth.py`."""

import pickle

import pytest
import torch
from torch import Tensor

from job.weights.machine import Machine


def _no_storage(key: str, _kind: torch.dtype, _length: int) -> Tensor:
    raise AssertionError(key)


def _carried_out(program: bytes) -> object:
    return Machine(_no_storage).carry_out(program)


@pytest.mark.parametrize("value", [{}, {"a": 5, "b": True}, ("a", (1, 2)), {"a": {"b": ()}}])
def test_plain_values_come_back(value: object) -> None:
    """As `pickle` itself would give them."""
    assert _carried_out(pickle.dumps(value, protocol=2)) == value


@pytest.mark.parametrize("value", [None, [1], {1, 2}, 1.5, 2**70, b"bytes"])
def test_what_no_state_dict_needs_is_refused(value: object) -> None:
    """The operation is named, and none is carried out that is not known."""
    with pytest.raises(ValueError, match="no state_dict needs"):
        _carried_out(pickle.dumps({"a": value, "b": value}, protocol=2) + b"R.")
