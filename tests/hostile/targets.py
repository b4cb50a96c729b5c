"""Each loader of what comes from outside, as something that can be fed with bytes.

A target returns when its loader has taken the bytes or has refused them as its docstring says; any
other exception is a finding. hypothesis and atheris feed the same targets.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from unittest import mock

import torch

from folder_targets import compared_run, idx_of_any_shape, reported_run, sweep_file
from job import artifacts, checkpoint, health, heartbeat, lease, termination, weights
from job.attempts import Ledger
from job.data import content, idx
from job.data.spec import DatasetFile
from job.describe import settings as described
from job.errors import DataError, JobError, OutputError, SettingsError, StalledError, UsageError
from job.predict import read_picture
from job.record import SettingRecord
from job.settings import KINDS, Settings, load
from job.settings.fields import EnvironmentSettings
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from places import file
from weight_files import pth_with

SHAPE: Final = (2, 3, 3)
FILE: Final = DatasetFile("values-idx3-ubyte", SHAPE, "0" * 64)
NUMBERS: Final = bytes(4 * 10)
PAYLOAD: Final = "state-0123456789abcdef.safetensors"


def settings(data: bytes) -> None:
    """Lines of `NAME=value` for the environment, and of flags, by their first character."""
    lines = [os.fsdecode(line) for line in data.replace(b"\0", b"").split(b"\n")]
    flags = [line for line in lines if not line.startswith("JOB_")]
    pairs = [line.partition("=") for line in lines if line.startswith("JOB_")]
    environment = {name: value for name, _, value in pairs}
    for kind in KINDS:
        with mock.patch.dict(os.environ, environment):
            load_or_refuse(kind, flags)


def load_or_refuse(kind: type[EnvironmentSettings], flags: list[str]) -> None:
    """Settings that can be written down and read again, the help, or an error that can be told."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            loaded = load(kind, flags, "python -m job")
    except (SettingsError, UsageError) as error:
        termination.message(error).encode("ascii")
        _told(error).encode()
    except SystemExit as leaving:
        assert leaving.code == 0  # noqa: PT017  # help was asked for
    else:
        if isinstance(loaded, Settings):
            _require_readable(described(loaded))


def idx_file(data: bytes) -> None:
    """A raw file of the dataset."""
    with contextlib.suppress(DataError):
        assert idx.decode(data, SHAPE).shape == SHAPE


def packed_file(data: bytes) -> None:
    """A packed one."""
    with contextlib.suppress(DataError):
        content.unpack(io.BytesIO(data), FILE, origin="a stream")
    with file("values-idx3-ubyte.gz", data) as path, contextlib.suppress(DataError):
        content.read(path, FILE)


def manifest(data: bytes) -> None:
    """A manifest as it lies there."""
    with file("step-00000002/manifest.json", data) as path:
        use_checkpoints(path.parents[1])


def sealed_manifest(data: bytes) -> None:
    """A manifest of a stranger who knows how to make its digest."""
    try:
        body = json.loads(data)
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    manifest(json.dumps({"sha256": digest, "body": body}).encode())


def sealed_payload(data: bytes) -> None:
    """Tensors of a stranger, of whom the manifest has the digest."""
    digest = hashlib.sha256(data).hexdigest()
    state = {"epoch": 0, "batch": 0, "epoch_loss": 0.0, "epoch_seconds": 0.0}
    body = {
        "schema_version": 1,
        "step": 2,
        "payload": PAYLOAD,
        "payload_bytes": len(data),
        "payload_sha256": digest,
        "state": {**state, "history": [], "settings": {}},
    }
    with file(f"step-00000002/{PAYLOAD}", data) as path:
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        sealed = {"sha256": hashlib.sha256(canonical).hexdigest(), "body": body}
        path.with_name("manifest.json").write_text(json.dumps(sealed))
        use_checkpoints(path.parents[1])


def safetensors_file(data: bytes) -> None:
    """Weights as `.safetensors`."""
    _read_weights("model.safetensors", data)


def safetensors_header(data: bytes) -> None:
    """A header of weights whose length is right."""
    safetensors_file(len(data).to_bytes(8, "little") + data + NUMBERS)


def pth_file(data: bytes) -> None:
    """Weights as `.pth`."""
    _read_weights("model.pth", data)


def pth_program(data: bytes) -> None:
    """The pickle in an archive whose checksums are right."""
    pth_file(pth_with(data, **{"0": NUMBERS}))


def pt2_file(data: bytes) -> None:
    """Weights as `.pt2`."""
    _read_weights("model.pt2", data)


def pt2_index(data: bytes) -> None:
    """The index in an archive whose checksums are right."""
    archive = pth_with(b"", **{"weights/model_weights_config.json": data, "weights/0": NUMBERS})
    pt2_file(archive)


def picture(data: bytes) -> None:
    """A picture of whatever kind."""
    with file("picture", data) as path, contextlib.suppress(DataError):
        assert read_picture(path).pixels.shape == (28, 28)


def record(data: bytes) -> None:
    """The record of an earlier run."""
    with file(artifacts.RECORD, data) as path:
        artifacts.read_record(path.parent)


def ledger(data: bytes) -> None:
    """The ledger of earlier attempts: the next one enters itself."""
    with file("attempts.jsonl", data) as path:
        for expected in (1, 2):
            attempts = Ledger.begin(path.parent, "node", Stopwatch()).attempts
            assert len(attempts) >= expected


def heartbeat_file(data: bytes) -> None:
    """The last heartbeat of an attempt that was killed, for the next one and for a probe."""
    with file(heartbeat.FILE, data) as path:
        Ledger.begin(path.parent, "node", Stopwatch())
        Ledger.begin(path.parent, "node", Stopwatch())
        if (beat := heartbeat.read(path)) is not None:
            with contextlib.suppress(StalledError):
                health.judge(beat)


def lease_file(data: bytes) -> None:
    """What the owner of the output folder says of itself: it is one, or was, or nobody knows."""
    with file(f"{lease.FOLDER}/00000001.json", data) as path, contextlib.suppress(OutputError):
        lease.acquire(path.parents[1], silence_seconds=0.05, stop=StopFlag())


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        settings,
        idx_file,
        idx_of_any_shape,
        packed_file,
        manifest,
        sealed_manifest,
        sealed_payload,
        safetensors_file,
        safetensors_header,
        pth_file,
        pth_program,
        pt2_file,
        pt2_index,
        picture,
        record,
        ledger,
        heartbeat_file,
        lease_file,
        sweep_file,
        compared_run,
        reported_run,
    )
}


def _told(error: JobError) -> str:
    return str(error).encode("utf-8", "backslashreplace").decode()  # as standard error does


def _require_readable(values: dict[str, SettingRecord]) -> None:
    for value in values.values():
        written = json.dumps(value.model_dump(mode="json"), allow_nan=False)
        assert SettingRecord.model_validate_json(written) == value


def use_checkpoints(root: Path) -> None:
    """What a run does with the folder of its checkpoints when it begins, and when it ends."""
    found = checkpoint.latest(root)
    assert found is None or all(torch.is_tensor(value) for value in found.tensors.values())
    newest = checkpoint.newest(root)
    assert newest is None or checkpoint.step_of(newest) == int(newest.name.split("-")[1])


def _read_weights(name: str, data: bytes) -> None:
    with file(name, data) as path, contextlib.suppress(DataError):
        weights.read(path)
