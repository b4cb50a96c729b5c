"""Checkpoints that are whole or not there: the manifest is written last, and nothing else counts.

    checkpoints/step-00004690/
      state-<digest>.safetensors   every tensor that the next step depends on
      manifest.json                position, history, settings, and the digest of all of it

The payload's name comes from its content, so saving twice at one step replaces one small file, in
one atomic move. A folder whose manifest or payload is torn, altered or absent is passed over with
a warning, and the checkpoint before it is used. Nothing is ever unpickled, and nothing is read that
is longer than its manifest says.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import safetensors.torch
import structlog
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from torch import Tensor

from job import files
from job.errors import OutputError
from job.model import apart
from job.record import EpochRecord

MANIFEST: Final = "manifest.json"
PREFIX: Final = "step-"
PAYLOAD: Final = "state-"
LIMIT_BYTES: Final = 2**26  # the MLP's state has some megabytes; a manifest less
# The errors of pydantic and json are ValueErrors; json gives up on a thousand brackets.
UNREADABLE: Final = (OutputError, ValueError, RecursionError, SafetensorError)


class RunState(BaseModel):
    """Where a run stands, beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    batch: int
    epoch_loss: float
    epoch_seconds: float
    history: list[EpochRecord]
    settings: dict[str, Any]


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    step: int
    payload: str = Field(pattern=r"^state-[0-9a-f]{16}\.safetensors$")  # no path to elsewhere
    payload_bytes: int = Field(ge=0)
    payload_sha256: str
    state: RunState


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    folder: Path
    step: int
    state: RunState
    tensors: dict[str, Tensor]


def save(root: Path, step: int, state: RunState, tensors: dict[str, Tensor]) -> Path:
    """Make a checkpoint durable below `root` and return its folder."""
    held = {name: value.detach().cpu() for name, value in tensors.items()}
    data = safetensors.torch.save(apart(held))
    digest = hashlib.sha256(data).hexdigest()
    folder = root / f"{PREFIX}{step:08}"
    payload = f"{PAYLOAD}{digest[:16]}.safetensors"
    files.make_folder(root)
    files.make_folder(folder)
    # Even if it is there: an earlier process may have died before the name was durable.
    files.write_bytes(folder / payload, data)
    manifest = _Manifest(
        step=step, payload=payload, payload_bytes=len(data), payload_sha256=digest, state=state
    )
    files.write_json(folder / MANIFEST, _seal(manifest.model_dump(mode="json")))
    for name in files.names_in(folder):
        if name.startswith(PAYLOAD) and name != payload:
            _tidy(files.remove_file, folder / name)
    return folder


def latest(root: Path, limit_bytes: int = LIMIT_BYTES) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; warn about each that is not.

    A payload of more than `limit_bytes` is none. Raises `OutputError` if none is whole and the
    volume does not give one that may be: training anew would throw it away.
    """
    refusal: OutputError | None = None
    for folder in reversed(_folders(root)):
        try:
            return _read(folder, limit_bytes)
        except UNREADABLE as error:
            reason = str(error).splitlines()[0]
            structlog.get_logger().warning("checkpoint skipped", folder=str(folder), reason=reason)
            refusal = error if isinstance(error, OutputError) else refusal
    if refusal is not None:
        raise refusal
    return None


def newest(root: Path) -> Path | None:
    """Return the folder of the newest checkpoint by name, unread; for messages."""
    with contextlib.suppress(OutputError, OSError):  # which must not hide what is to be told
        return next((each for each in reversed(_folders(root)) if (each / MANIFEST).exists()), None)
    return None


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint's folder is named after."""
    return int(folder.name.removeprefix(PREFIX))


def prune(root: Path, keep: int, saved: Path) -> None:
    """Remove all but the newest `keep` checkpoints up to the one just `saved`.

    Later ones stay and do not count: they were passed over, so they are torn or out of reach.
    """
    made = [folder for folder in _folders(root) if step_of(folder) <= step_of(saved)]
    for folder in made[:-keep]:
        _tidy(files.remove_folder, folder)


def _tidy(remove: Callable[[Path], None], path: Path) -> None:
    """Remove what is superseded; if it cannot be, that costs space, and no checkpoint."""
    try:
        remove(path)
    except OutputError as error:
        structlog.get_logger().warning("not removed", path=str(path), reason=error.seen)


def _folders(root: Path) -> list[Path]:
    names = (name for name in files.names_in(root) if name.startswith(PREFIX))
    numbered = (root / name for name in names if name.removeprefix(PREFIX).isdecimal())
    return sorted(numbered, key=step_of)


def _read(folder: Path, limit_bytes: int) -> Checkpoint:
    manifest = _Manifest.model_validate(_unseal(_content(folder / MANIFEST, LIMIT_BYTES)))
    if manifest.payload_bytes > limit_bytes:
        raise ValueError(
            f"{manifest.payload} has {manifest.payload_bytes} bytes, at most {limit_bytes} are read"
        )
    data = _content(folder / manifest.payload, manifest.payload_bytes)
    if hashlib.sha256(data).hexdigest() != manifest.payload_sha256:
        raise ValueError(f"{manifest.payload} is not what the manifest describes")
    tensors = safetensors.torch.load(data)
    return Checkpoint(folder, manifest.step, manifest.state, tensors)


def _content(path: Path, limit_bytes: int) -> bytes:
    data = files.read_bytes(path, limit_bytes)
    if data is None:
        raise ValueError(f"{path.name} is missing")
    return data


def _seal(body: dict[str, Any]) -> dict[str, Any]:
    return {"sha256": _digest(body), "body": body}


def _unseal(data: bytes) -> dict[str, Any]:
    sealed = json.loads(data)
    if not isinstance(sealed, dict) or sealed.keys() != {"sha256", "body"}:
        raise ValueError(f"{MANIFEST} is not a manifest")
    if _digest(sealed["body"]) != sealed["sha256"]:
        raise ValueError(f"{MANIFEST} was altered")
    body: dict[str, Any] = sealed["body"]
    return body


def _digest(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
