"""Claims about `job.artifacts`: what was delivered was read back."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from job import artifacts, files, weights
from job.errors import ExitCode, OutputError
from job.model import NeuralNetwork, build
from report_records import run_record

NAMES = ("model.safetensors", "model.pth", "model.pt2")
CPU = torch.device("cpu")


def _images() -> Tensor:
    return torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def _alter(monkeypatch: pytest.MonkeyPatch, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Let the volume keep `edit` of what is written under `name`, and tell nobody."""
    write = files.write_bytes

    def write_altered(path: Path, data: bytes) -> None:
        write(path, edit(data) if path.name == name else data)

    monkeypatch.setattr(files, "write_bytes", write_altered)


def _flip(place: float) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        altered = bytearray(data)
        altered[int(place * len(data))] ^= 1
        return bytes(altered)

    return edit


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_every_format_predicts_what_the_model_predicts(tmp_path: Path, dropout: float) -> None:
    """Three files are left, each with the logits of the trained network to the bit."""
    model = build(0, dropout, CPU)
    written = artifacts.write_weights(model, _images(), tmp_path)
    expected = model.eval()(_images())

    assert written == [tmp_path / name for name in NAMES]
    assert sorted(written) == sorted(tmp_path.iterdir())
    for path in written:
        assert torch.equal(weights.read(path)(_images()), expected)


def test_writing_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    """Neither its mode nor its weights change, so a run could go on."""
    model = build(0, 0.5, CPU).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    artifacts.write_weights(model, _images(), tmp_path)

    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0.0, 0.0005, 0.5, 0.9999])
def test_file_that_landed_altered_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: float
) -> None:
    """One bit is enough, be it in the numbers or around them, and it is the volume's fault."""
    _alter(monkeypatch, name, _flip(place))

    with pytest.raises(OutputError, match="read back") as caught:
        artifacts.write_weights(build(0, 0.0, CPU), _images(), tmp_path)
    assert str(tmp_path / name) in caught.value.seen
    assert caught.value.exit_code == ExitCode.OUTPUT


@pytest.mark.parametrize("name", NAMES)
def test_file_that_landed_torn_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """So is a file that lost its end."""
    _alter(monkeypatch, name, lambda data: data[: len(data) // 2])

    with pytest.raises(OutputError, match="read back"):
        artifacts.write_weights(build(0, 0.0, CPU), _images(), tmp_path)


@pytest.mark.parametrize("encoder", ["to_safetensors", "to_pth", "to_pt2"])
def test_file_that_holds_other_weights_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    """A file is not believed because it was written well: it must predict what the model does."""
    encode: Callable[[NeuralNetwork], bytes] = getattr(weights, encoder)
    monkeypatch.setattr(weights, encoder, lambda *_, **__: encode(build(1, 0.0, CPU)))

    with pytest.raises(OutputError, match="predicts something else") as caught:
        artifacts.write_weights(build(0, 0.0, CPU), _images(), tmp_path)
    assert caught.value.fix


def test_program_that_predicts_something_else_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exported program itself is asked, not its numbers only."""
    monkeypatch.setattr(weights, "run_pt2", lambda _, images: torch.zeros(len(images), 10))

    with pytest.raises(OutputError, match=r"model\.pt2"):
        artifacts.write_weights(build(0, 0.0, CPU), _images(), tmp_path)


def test_sizes_and_digests_are_those_of_the_files(tmp_path: Path) -> None:
    """`sha256sum` says the same, and names are relative to the output folder."""
    (tmp_path / "plots").mkdir()
    contents = {"plots/a.png": b"picture", "b.txt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    described = artifacts.describe(tmp_path, [tmp_path / name for name in contents])
    command = ["sha256sum", *described]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert list(described) == ["b.txt", "plots/a.png"]
    assert lines.splitlines() == [f"{file.sha256}  {name}" for name, file in described.items()]
    assert {name: file.bytes for name, file in described.items()} == {"b.txt": 0, "plots/a.png": 7}


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """`metrics.json` holds all of it, and nothing lies beside it."""
    artifacts.write_record(run_record(), tmp_path)

    assert artifacts.read_record(tmp_path) == run_record()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_no_record_is_no_finished_run(tmp_path: Path) -> None:
    """An empty folder, or one that is not there, gives none and no warning."""
    with capture_logs() as logs:
        assert artifacts.read_record(tmp_path) is None
        assert artifacts.read_record(tmp_path / "none") is None

    assert logs == []


@pytest.mark.parametrize("content", ["", "{}", '{"schema_version": 2}', "{broken", "\x00"])
def test_record_that_cannot_be_read_counts_as_absent_and_is_told(
    tmp_path: Path, content: str
) -> None:
    """The run is done again rather than believed, and a warning names the file."""
    (tmp_path / "metrics.json").write_text(content)
    with capture_logs() as logs:
        assert artifacts.read_record(tmp_path) is None

    (event,) = logs
    assert (event["event"], event["log_level"]) == ("record skipped", "warning")
    assert event["path"] == str(tmp_path / "metrics.json")
    assert event["reason"]
