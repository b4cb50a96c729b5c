"""What a run delivers: weights in every promised format, each read back, then the record.

`metrics.json` is written last; that it is there means that all the rest is, and was verified.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from job import files, weights
from job.errors import OutputError
from job.model import blank_copy, plain_copy
from job.record import RECORD_FILE, ArtifactRecord, RunRecord

RECORD: Final = RECORD_FILE
PROGRAM: Final = "model.pt2"
LIMIT_RECORD_BYTES: Final = 2**24  # some ten thousand epochs
# torch.export may order the same sums in another way than the module does.
PROGRAM_TOLERANCE: Final = 1e-5


@torch.inference_mode()
def write_weights(model: nn.Module, images: Tensor, output_dir: Path) -> list[Path]:
    """Write the three weight files; each, read back, gives the logits that `model` gives.

    `images` (B, C, H, W) float32, on the CPU, are the fixed batch that they are compared on.
    Raises `OutputError` if a file does not keep what was written.
    """
    model = plain_copy(model)
    expected = model(images)
    encoders: dict[str, Callable[[nn.Module], bytes]] = {
        "model.safetensors": weights.to_safetensors,
        "model.pth": weights.to_pth,
        PROGRAM: partial(weights.to_pt2, shape=tuple(images.shape[1:])),
    }
    # One after the other: of a large model each has half a gigabyte.
    for name, encode in encoders.items():
        path, content = output_dir / name, encode(model)
        files.write_bytes(path, content)
        _require_kept(path, content)
        _require_same(path, weights.read(path, blank_copy(model))(images), expected, tolerance=0)
        if name == PROGRAM:
            _require_same(path, weights.run_pt2(content, images), expected, PROGRAM_TOLERANCE)
    return [output_dir / name for name in encoders]


def describe(output_dir: Path, paths: Iterable[Path]) -> dict[str, ArtifactRecord]:
    """Size and digest of each file as it lies on the volume, by its name below `output_dir`."""
    return {str(path.relative_to(output_dir)): _describe(path) for path in sorted(paths)}


def write_record(record: RunRecord, output_dir: Path) -> None:
    """Write `metrics.json`; nothing is written after it."""
    files.write_json(output_dir / RECORD, record.model_dump(mode="json"))


def read_record(output_dir: Path) -> RunRecord | None:
    """Return the record of a finished run, or None; one that cannot be read does not count."""
    path = output_dir / RECORD
    data = files.read_bytes(path, LIMIT_RECORD_BYTES)
    if data is None:
        return None
    try:
        return RunRecord.model_validate_json(data)
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        structlog.get_logger().warning("record skipped", path=str(path), reason=reason)
        return None


def damaged_weights(record: RunRecord, output_dir: Path) -> list[str]:
    """Names of the weight files that do not lie there as the record says."""
    weights_of = {
        name: kept for name, kept in record.artifacts.items() if name.startswith("model.")
    }
    return [name for name, kept in weights_of.items() if not _is_kept(output_dir / name, kept)]


def _is_kept(path: Path, kept: ArtifactRecord) -> bool:
    data = files.read_bytes(path, kept.bytes)
    return data is not None and hashlib.sha256(data).hexdigest() == kept.sha256


def _describe(path: Path) -> ArtifactRecord:
    data = path.read_bytes()
    return ArtifactRecord(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _require_kept(path: Path, content: bytes) -> None:
    if path.read_bytes() != content:
        raise OutputError(
            f"{path} was written and, read back, holds something else",
            allowed="the bytes that were written",
            fix="check the volume and the memory of this node; run again on another one",
        )


def _require_same(path: Path, seen: Tensor, expected: Tensor, tolerance: float) -> None:
    if not torch.allclose(seen, expected, rtol=tolerance, atol=tolerance):
        raise OutputError(
            f"{path} was written and, read back, predicts something else",
            allowed="the logits of the model that was trained",
            fix="check the volume and the memory of this node; run again on another one",
        )
