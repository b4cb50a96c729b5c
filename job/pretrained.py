"""The weights that a network starts from: torchvision's by name, or a file's; none is unpickled.

torchvision's own loader is not used: it waits for a silent server forever, and hands what came to
the unpickler. Its files are where it keeps them, below `TORCH_HOME`.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import torch
from torch import Tensor, nn

from job import files, weights
from job.data.download import Published, download, locked, storage_errors
from job.errors import DataError, SettingsError
from job.model import bare, start_from
from job.reading import read_bounded
from job.stop import StopFlag

FILE_ENDINGS: Final = (".safetensors", ".pth")
LIMIT_BYTES: Final = 2**32  # torchvision's largest has 2.6 GB
# What torch.hub goes by: the beginning of the SHA-256, in the name that torchvision publishes.
PUBLISHED_DIGEST: Final = re.compile(r"-([0-9a-f]{8,})\.pth$")

_log = structlog.get_logger()


@dataclass(frozen=True)
class Start:
    """Weights by name, the SHA-256 of the file that they came in, and where it lies."""

    state: dict[str, Tensor]
    sha256: str
    path: Path


def read(model: str, name: str, *, offline: bool, stop: StopFlag) -> Start:
    """The weights called `name`: a file by its ending, else those of torchvision's `model`.

    Raises `SettingsError` for a name that the model does not have, `DataError` for weights that are
    missing or damaged, and `InterruptedRunError` if a `stop` came while they were fetched.
    """
    path = Path(name) if is_file(name) else _published(model, name, offline=offline, stop=stop)
    try:
        data = read_bounded(path, LIMIT_BYTES)
    except OSError as error:
        raise DataError(
            f"JOB_MODEL_WEIGHTS={name} cannot be read: {error.strerror}",
            allowed="a .safetensors or .pth file, or the name of torchvision's weights",
            fix="check the path, and that the volume with it is mounted",
        ) from error
    return Start(weights.read_state(path, data), hashlib.sha256(data).hexdigest(), path)


def is_file(name: str) -> bool:
    """Whether `name` means a file, and not weights that torchvision publishes."""
    return name.endswith(FILE_ENDINGS)


def begin(network: nn.Module, start: Start, classes: int) -> None:
    """Let `network` start from these weights; raises `DataError` for those of another network."""
    try:
        fresh = start_from(bare(network), start.state, classes)
    except ValueError as error:
        raise DataError(
            f"{start.path} has the weights of another network: {error}",
            allowed="those of JOB_MODEL, for any channels and any number of classes",
            fix="set JOB_MODEL to the network that they are of, or unset JOB_MODEL_WEIGHTS",
        ) from error
    _log.info("begins with weights", path=str(start.path), fresh=fresh)


def _published(model: str, name: str, *, offline: bool, stop: StopFlag) -> Path:
    url = _url(model, name)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rsplit("/", 1)[-1]
    if path.exists():
        return path
    if offline:
        raise DataError(
            f"{path} is missing, and not fetched because JOB_DATA_OFFLINE=true",
            allowed=f"the file of {url} there",
            fix="put it there, set TORCH_HOME to the folder that has it, or JOB_DATA_OFFLINE=false",
        )
    with storage_errors(folder):
        files.make_folder(folder)
        with locked(folder, stop):
            if not path.exists():
                files.write_bytes(path, download(Published([url], LIMIT_BYTES, _verify), stop))
    return path


def _url(model: str, name: str) -> str:
    from job.model import zoo  # noqa: PLC0415  # torchvision takes two seconds

    if not zoo.is_known(model):
        raise SettingsError(
            f"JOB_MODEL_WEIGHTS={name} with JOB_MODEL={model}",
            allowed=f"a file ({', '.join(FILE_ENDINGS)}); only torchvision's models have names",
            fix="name a file, or set JOB_MODEL to a model of torchvision",
        )
    return zoo.url_of(model, name)


def _verify(data: bytes, origin: str) -> None:
    claimed = PUBLISHED_DIGEST.search(origin)
    digest = hashlib.sha256(data).hexdigest()
    if claimed is None or not digest.startswith(claimed[1]):
        raise DataError(f"{origin} is altered: {len(data)} bytes, SHA-256 {digest}")
