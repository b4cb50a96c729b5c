"""Claims about `job.pretrained`: weights from a file or a mirror, and never from an unpickler."""

import hashlib
import io
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from job import pretrained, weights
from job.errors import DataError, ExitCode, SettingsError
from job.model import Wanted, bare, make, zoo
from job.pretrained import Start
from job.stop import StopFlag
from mirrors import Mirror
from weight_files import Armed

CPU = torch.device("cpu")
NAME = "IMAGENET1K_V1"


def _network(classes: int = 5, channels: int = 1, seed: int = 0) -> nn.Module:
    return make(Wanted("mobilenet_v3_small", (channels, 32, 32), classes), seed, CPU)


@pytest.fixture(scope="module")
def published() -> bytes:
    """What torchvision publishes: a state_dict for colour and other classes, by `torch.save`."""
    buffer = io.BytesIO()
    torch.save(bare(_network(classes=9, channels=3, seed=1)).state_dict(), buffer)
    return buffer.getvalue()


@pytest.fixture
def mirror(published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server of torchvision's on this machine, and an empty `TORCH_HOME`."""
    name = f"net-{hashlib.sha256(published).hexdigest()[:8]}.pth"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / name).write_bytes(published)
    server = Mirror(tmp_path / "mirror")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(zoo, "url_of", lambda *_: server.address + name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def _read(name: str | Path, model: str = "mobilenet_v3_small", *, offline: bool = True) -> Start:
    return pretrained.read(model, str(name), offline=offline, stop=StopFlag())


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_file_of_an_earlier_run_starts_the_next_one(tmp_path: Path, ending: str) -> None:
    """All of it, where channels and classes are the same."""
    earlier, network = _network(seed=1), _network()
    encode = {".pth": weights.to_pth, ".safetensors": weights.to_safetensors}[ending]
    path = tmp_path / f"model{ending}"
    path.write_bytes(encode(earlier))
    start = _read(path)
    pretrained.begin(network, start, 5)

    assert start.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name, value in earlier.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_published_weights_are_fetched_once_and_keep_the_head_random(
    mirror: Mirror, tmp_path: Path
) -> None:
    """They lie where torchvision looks for them; the second run is offline."""
    network, untouched = _network(), _network()
    start = _read(NAME, offline=False)
    pretrained.begin(network, start, 5)

    assert start.path.parent == tmp_path / "home" / "hub" / "checkpoints"
    assert _read(NAME).sha256 == start.sha256
    assert mirror.requests.total() == 1
    body, head = "features.1.block.0.0.weight", "classifier.3.weight"
    assert torch.equal(bare(network).state_dict()[body], start.state[body])
    assert torch.equal(bare(network).state_dict()[head], bare(untouched).state_dict()[head])


def test_altered_download_is_refused_and_not_kept(mirror: Mirror, tmp_path: Path) -> None:
    """The beginning of its SHA-256 stands in its name."""
    (name,) = (path.name for path in mirror.folder.iterdir())
    mirror.replaced[name] = b"something else"

    with pytest.raises(DataError, match=f"{name} is altered"):
        _read(NAME, offline=False)
    assert not list(tmp_path.glob("home/hub/checkpoints/*.pth"))


@pytest.mark.usefixtures("mirror")
def test_nothing_is_fetched_offline(tmp_path: Path) -> None:
    """A missing input is 65, with the place where the file would count."""
    with pytest.raises(DataError, match="JOB_DATA_OFFLINE=true") as caught:
        _read(NAME)

    assert caught.value.exit_code == ExitCode.DATA
    assert str(tmp_path / "home" / "hub" / "checkpoints") in caught.value.seen


@pytest.mark.parametrize("model", ["mlp", "own.module:make"])
def test_only_torchvisions_models_have_weights_by_name(model: str) -> None:
    """The others start from files."""
    with pytest.raises(SettingsError, match=f"JOB_MODEL_WEIGHTS={NAME} with JOB_MODEL={model}"):
        _read(NAME, model)


def test_missing_file_is_a_data_error(tmp_path: Path) -> None:
    """It names the setting and the path."""
    with pytest.raises(DataError, match=r"JOB_MODEL_WEIGHTS=.*none\.pth cannot be read: No such"):
        _read(tmp_path / "none.pth")


def test_weights_of_another_network_are_a_data_error(tmp_path: Path) -> None:
    """With the first name that does not fit."""
    path = tmp_path / "other.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)

    with pytest.raises(DataError, match="another network: it lacks features"):
        pretrained.begin(_network(), _read(path), 5)


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(_pickled(value))]
)
def test_code_in_a_file_never_runs(tmp_path: Path, save: Any) -> None:
    """Neither as torch would save it, nor as a bare pickle."""
    path = tmp_path / "armed.pth"
    save({"features.0.0.weight": Armed(tmp_path / "marker")}, path)

    with pytest.raises(DataError, match="cannot read the weights"):
        _read(path)
    assert not (tmp_path / "marker").exists()


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)
