"""Claims about `job.weights`: three formats, one model, and no file that runs when it is read."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from job import weights
from job.errors import DataError, ExitCode
from job.model import NeuralNetwork, build

CPU = torch.device("cpu")
BIAS = "linear_relu_stack.4.bias"
SUFFIXES = (".safetensors", ".pth", ".pt2")
ENCODERS = (weights.to_safetensors, weights.to_pth, weights.to_pt2)
Edit = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def network() -> NeuralNetwork:
    """A network with the weights of a seed."""
    return build(3, 0.0, CPU)


@pytest.fixture(scope="module")
def encoded(network: NeuralNetwork) -> dict[str, bytes]:
    """The content of the three files, by their endings."""
    return {suffix: to(network) for suffix, to in zip(SUFFIXES, ENCODERS, strict=True)}


class _Marker:
    """Unpickled with code, it makes a file: what an attacker's weights would do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str, int]]:
        return os.open, (str(self._path), os.O_CREAT)


def _refused(tmp_path: Path, name: str, content: bytes) -> str:
    """Why a file with this content is not read."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot read the weights") as caught:
        weights.read(path)
    assert str(path) in caught.value.seen
    assert caught.value.exit_code == ExitCode.DATA
    assert caught.value.fix
    return caught.value.seen


def _rewrite(archive: bytes, ending: str, edit: Edit) -> bytes:
    """The archive with the one entry whose name ends so edited, and all entries compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", 8) as new:
        (edited,) = (name for name in old.namelist() if name.endswith(ending))
        for name in old.namelist():
            new.writestr(name, edit(old.read(name)) if name == edited else old.read(name))
    return buffer.getvalue()


def _state(network: NeuralNetwork, **changes: Tensor) -> dict[str, Tensor]:
    return {**network.state_dict(), **changes}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_come_back_to_the_bit(
    tmp_path: Path, network: NeuralNetwork, encoded: dict[str, bytes], suffix: str
) -> None:
    """What is read is what was written, ready to predict."""
    path = tmp_path / f"model{suffix}"
    path.write_bytes(encoded[suffix])
    read = weights.read(path)

    assert not read.training
    for name, value in network.state_dict().items():
        assert torch.equal(read.state_dict()[name], value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_network_with_dropout_is_read_like_any_other(
    tmp_path: Path, network: NeuralNetwork, suffix: str
) -> None:
    """Dropout leaves no trace in a file."""
    dropping = build(3, 0.5, CPU)
    path = tmp_path / f"model{suffix}"
    path.write_bytes(ENCODERS[SUFFIXES.index(suffix)](dropping.eval()))
    images = torch.rand(2, 1, 28, 28)

    assert torch.equal(weights.read(path)(images), network.eval()(images))


def test_pth_is_the_quickstarts_file(tmp_path: Path, network: NeuralNetwork) -> None:
    """`torch.load` and `load_state_dict` of the tutorial take it, and what it saves is taken."""
    path = tmp_path / "model_weights.pth"
    torch.save(network.state_dict(), path)
    assert torch.equal(weights.read(path).state_dict()[BIAS], network.state_dict()[BIAS])

    path.write_bytes(weights.to_pth(network))
    other = build(4, 0.0, CPU)
    other.load_state_dict(torch.load(path, weights_only=True))
    assert torch.equal(other.state_dict()[BIAS], network.state_dict()[BIAS])


@pytest.mark.parametrize("images", [1, 2, 5])
def test_program_predicts_for_any_batch_size(
    network: NeuralNetwork, encoded: dict[str, bytes], images: int
) -> None:
    """The exported program gives the model's logits without this package."""
    batch = torch.rand(images, 1, 28, 28)

    torch.testing.assert_close(weights.run_pt2(encoded[".pt2"], batch), network.eval()(batch))


def test_pth_with_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    """Weights from a stranger are numbers or nothing."""
    marker = tmp_path / "marker"
    buffer = io.BytesIO()
    torch.save({BIAS: _Marker(marker)}, buffer)
    _refused(tmp_path, "model.pth", buffer.getvalue())
    assert not marker.exists()

    buffer.seek(0)
    torch.load(buffer, weights_only=False)
    assert marker.exists()  # so the file was armed


def test_bare_pickle_with_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    """Nor does the format that torch wrote before it wrote archives."""
    _refused(tmp_path, "model.pth", pickle.dumps(_Marker(tmp_path / "marker")))

    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("entry", ["data/sample_inputs/model.pt", "models/model.json"])
def test_code_beside_the_numbers_of_a_program_never_runs(
    tmp_path: Path, network: NeuralNetwork, encoded: dict[str, bytes], entry: str
) -> None:
    """Only the numbers of a `.pt2` are looked at; torch itself would unpickle its inputs."""
    armed = io.BytesIO()
    torch.save(_Marker(tmp_path / "marker"), armed)
    path = tmp_path / "model.pt2"
    path.write_bytes(_rewrite(encoded[".pt2"], entry, lambda _: armed.getvalue()))

    assert torch.equal(weights.read(path).state_dict()[BIAS], network.state_dict()[BIAS])
    assert not (tmp_path / "marker").exists()


def test_pickled_numbers_of_a_program_are_refused(
    tmp_path: Path, encoded: dict[str, bytes]
) -> None:
    """An archive may ask for a pickle to be read; that is not done."""

    def ask_for_a_pickle(index: bytes) -> bytes:
        return index.replace(b'"use_pickle": false', b'"use_pickle": true')

    program = _rewrite(encoded[".pt2"], "model_weights_config.json", ask_for_a_pickle)
    assert "plain numbers" in _refused(tmp_path, "model.pt2", program)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_truncated_file_is_refused(
    tmp_path: Path, encoded: dict[str, bytes], suffix: str, share: float
) -> None:
    """Wherever the copy broke off, even before its first byte."""
    content = encoded[suffix]

    _refused(tmp_path, f"model{suffix}", content[: int(share * len(content))])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"these are words", b"\x80\x02", b"\x80\x02}q\x00."])
def test_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    """The ending of a name is no proof."""
    _refused(tmp_path, f"model{suffix}", content)


@pytest.mark.parametrize("suffix", [".pth", ".pt2"])
def test_altered_numbers_in_an_archive_are_refused(
    tmp_path: Path, encoded: dict[str, bytes], suffix: str
) -> None:
    """A checksum tells one bit; safetensors has none, there the record's SHA-256 would."""
    content = bytearray(encoded[suffix])
    content[len(content) // 2] ^= 1

    _refused(tmp_path, f"model{suffix}", bytes(content))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_of_another_network_are_refused(tmp_path: Path, suffix: str) -> None:
    """A different width is told, not stretched."""
    other = NeuralNetwork()
    other.linear_relu_stack[4] = torch.nn.Linear(512, 11)

    _refused(tmp_path, f"model{suffix}", ENCODERS[SUFFIXES.index(suffix)](other))


def test_weights_that_lack_a_name_are_refused(tmp_path: Path, network: NeuralNetwork) -> None:
    """Half a network is none."""
    state = _state(network)
    del state[BIAS]

    _refused(tmp_path, "model.safetensors", safetensors.torch.save(state))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, suffix: str, value: float) -> None:
    """Such a network predicts nothing, and JSON could not say it."""
    broken = build(0, 0.0, CPU)
    broken.load_state_dict(_state(broken, **{BIAS: torch.full((10,), value)}))

    seen = _refused(tmp_path, f"model{suffix}", ENCODERS[SUFFIXES.index(suffix)](broken))
    assert "not finite" in seen


@pytest.mark.parametrize("name", ["none.safetensors", "none.pth", "none.pt2"])
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    """The path is named, so that a typing error is seen."""
    with pytest.raises(DataError, match=rf"{name}: .*No such file"):
        weights.read(tmp_path / name)


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    """The three that are read are named."""
    with pytest.raises(DataError, match="unknown kind") as caught:
        weights.read(tmp_path / name)

    assert all(suffix in caught.value.allowed for suffix in SUFFIXES)


@pytest.mark.parametrize(
    ("suffix", "entry"),
    [
        (".pt2", "weights/weight_5"),
        (".pt2", "model_weights_config.json"),
        (".pth", "data.pkl"),
        (".pth", "data/5"),
    ],
)
def test_archive_that_would_unpack_to_far_more_is_refused(
    tmp_path: Path, encoded: dict[str, bytes], suffix: str, entry: str
) -> None:
    """A small file cannot fill the memory: it is refused before it is unpacked."""
    bomb = _rewrite(encoded[suffix], entry, lambda _: bytes(100_000_000))
    tracemalloc.start()
    try:
        assert "unpacks to 10" in _refused(tmp_path, f"model{suffix}", bomb)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_shapes_that_an_archive_claims_must_be_the_networks(
    tmp_path: Path, encoded: dict[str, bytes]
) -> None:
    """The same bytes under another shape are another network."""

    def turn(index: bytes) -> bytes:
        config = json.loads(index)
        config["config"]["linear_relu_stack.4.weight"]["tensor_meta"]["sizes"].reverse()
        return json.dumps(config).encode()

    program = _rewrite(encoded[".pt2"], "model_weights_config.json", turn)
    assert "(10, 512) plain numbers" in _refused(tmp_path, "model.pt2", program)


@pytest.mark.parametrize("excess", [1, 4])
def test_entry_with_more_numbers_than_its_shape_is_refused(
    tmp_path: Path, encoded: dict[str, bytes], excess: int
) -> None:
    """Nothing is silently left over."""
    program = _rewrite(encoded[".pt2"], "weight_5", lambda numbers: numbers + bytes(excess))

    _refused(tmp_path, "model.pt2", program)
