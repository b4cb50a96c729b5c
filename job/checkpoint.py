"""Checkpoints that are whole or not there: the manifest is written last, and nothing else counts.

    checkpoints/step-00004690/
      state-<digest>.safetensors   every tensor that the next step depends on
      manifest.json                position, history, settings, and the digest of all of it

The payload's name comes from its content, so saving twice at one step replaces one small file, in
one atomic move. A folder whose manifest or payload is torn, altered or absent is passed over with
a warning, and the checkpoint before it is used. Nothing is ever unpickled.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import safetensors.torch
import structlog
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from job import files
from job.record import EpochRecord

MANIFEST: Final = "manifest.json"
PREFIX: Final = "step-"


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
    payload: str
    payload_bytes: int
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
    data = safetensors.torch.save({name: value.detach().cpu() for name, value in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    folder = root / f"{PREFIX}{step:08}"
    payload = f"state-{digest[:16]}.safetensors"
    files.make_folder(folder)
    if not _holds(folder / payload, digest):
        files.write_bytes(folder / payload, data)
    manifest = _Manifest(
        step=step, payload=payload, payload_bytes=len(data), payload_sha256=digest, state=state
    )
    files.write_json(folder / MANIFEST, _seal(manifest.model_dump(mode="json")))
    for stale in folder.glob("state-*.safetensors"):
        if stale.name != payload:
            files.remove_file(stale)
    return folder


def latest(root: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; warn about each that is not."""
    for folder in sorted(root.glob(f"{PREFIX}*"), reverse=True):
        try:
            return _read(folder)
        except (OSError, ValueError) as error:  # those of pydantic and json are ValueErrors
            structlog.get_logger().warning(
                "checkpoint skipped", folder=str(folder), reason=str(error).splitlines()[0]
            )
    return None


def newest(root: Path) -> Path | None:
    """Return the folder of the newest checkpoint by name, unread; for messages."""
    manifests = sorted(root.glob(f"{PREFIX}*/{MANIFEST}"))
    return manifests[-1].parent if manifests else None


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint's folder is named after."""
    return int(folder.name.removeprefix(PREFIX))


def prune(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints; call it after a new one is durable."""
    for folder in sorted(root.glob(f"{PREFIX}*"))[:-keep]:
        files.remove_folder(folder)


def _read(folder: Path) -> Checkpoint:
    manifest = _Manifest.model_validate(_unseal((folder / MANIFEST).read_bytes()))
    data = (folder / manifest.payload).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest.payload_sha256:
        raise ValueError(f"{manifest.payload} is not what the manifest describes")
    tensors = safetensors.torch.load(data)
    return Checkpoint(folder, manifest.step, manifest.state, tensors)


def _holds(path: Path, digest: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


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
