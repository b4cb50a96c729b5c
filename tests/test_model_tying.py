"""Claims about `job.model.tying`: a network with tied weights is saved, resumed and delivered."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from job import checkpoint, weights
from job.checkpoint import RunState
from job.model import apart, blank_copy
from job.schedule import constant
from job.step import Step, Update, make_step

SHAPE = (1, 4, 4)
ENCODERS: Final[dict[str, Callable[[nn.Module], bytes]]] = {
    "model.safetensors": weights.to_safetensors,
    "model.pth": weights.to_pth,
    "model.pt2": partial(weights.to_pt2, shape=SHAPE),
}
STATE = RunState(epoch=0, batch=0, epoch_loss=0.0, epoch_seconds=0.0, history=[], settings={})


def _tied() -> nn.Module:
    """Three layers, of which the first two are one tensor."""
    torch.manual_seed(0)
    first, second = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.Linear(16, 3))


def _step(network: nn.Module) -> Step:
    update = Update("sgd", constant(0.1), momentum=0.9, random=True)
    return make_step(network, update, 5, kind="eager", precision="fp32")


def _train(step: Step, first: int, count: int) -> None:
    draw = torch.Generator().manual_seed(first)
    batches = [(torch.rand(5, *SHAPE, generator=draw), torch.arange(5) % 3) for _ in range(count)]
    for _ in step.run(batches, first):
        pass


def _memory(state: dict[str, Tensor]) -> set[int]:
    return {value.untyped_storage().data_ptr() for value in state.values()}


def test_each_name_has_memory_of_its_own() -> None:
    """So safetensors takes them, and every reader finds all names."""
    tied = _tied().state_dict()
    separate = apart(tied)

    assert len(_memory(dict(tied))) == 3
    assert len(_memory(separate)) == 4
    assert separate.keys() == tied.keys()
    read = safetensors.torch.load(safetensors.torch.save(separate))
    assert all(torch.equal(read[name], value) for name, value in tied.items())


def test_what_shares_nothing_is_not_copied() -> None:
    """A large network would be twice in memory at each checkpoint."""
    state = dict(nn.Linear(3, 4).state_dict())

    assert _memory(apart(state)) == _memory(state)


def test_numbers_in_columns_are_put_in_rows() -> None:
    """Safetensors refuses those of a convolution with its channels last."""
    convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    separate = apart(convolution.state_dict())

    read = safetensors.torch.load(safetensors.torch.save(separate))
    assert torch.equal(read["weight"], convolution.weight)


def test_tied_network_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    """To the last bit, momentum included; and the two layers are still one."""
    whole = _step(_tied())
    _train(whole, 0, 3)
    checkpoint.save(tmp_path, 3, STATE, whole.state())
    _train(whole, 3, 3)

    network = _tied()
    resumed, found = _step(network), checkpoint.latest(tmp_path)
    assert found is not None
    resumed.load(found.tensors)
    _train(resumed, 3, 3)

    expected, seen = whole.state(), resumed.state()
    assert expected.keys() == seen.keys()
    assert all(torch.equal(seen[name], value) for name, value in expected.items())
    assert len(list(network.parameters())) == 3


@pytest.mark.parametrize("name", ENCODERS)
def test_tied_network_is_delivered_in_every_format(tmp_path: Path, name: str) -> None:
    """Read by names into a network that knows nothing, it answers what the trained one answers."""
    network, images = _tied().eval(), torch.rand(6, *SHAPE)
    content = ENCODERS[name](network)
    (tmp_path / name).write_bytes(content)

    read = weights.read(tmp_path / name, blank_copy(network))
    assert torch.equal(read(images), network(images))
    if name == "model.pt2":
        assert torch.allclose(weights.run_pt2(content, images), network(images), atol=1e-5)
