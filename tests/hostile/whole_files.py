"""Contents that are as they should be, for each target: what hostile ones are made from."""

import gzip
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.torch
import torch
from PIL import ExifTags, Image

from datasets import encode
from job import checkpoint
from job.attempts import Ledger
from job.checkpoint import RunState
from job.errors import ExitCode
from job.heartbeat import Beat
from job.holder import this_holder
from job.process import this_process
from job.stopwatch import Stopwatch
from report_records import PREFLIGHT, epoch, full_record, run_record
from targets import NUMBERS, SHAPE
from weight_files import encoded, pth_with

SETTINGS: Final = (
    b"JOB_EPOCHS=3\nJOB_LEARNING_RATE=1e-3\nJOB_NESTEROV=true\n--seed\n7\n--progress=off",
    b"JOB_RECIPE=accurate\nJOB_PROCESSES_PER_NODE=auto\nJOB_MIN_ACCURACY=0.5\n--nodes\n2",
    b"JOB_STOP_FILE=/tmp/stop\nJOB_DATA_OFFLINE=1\n--no-data-offline\n--output-dir\noutput",
    b'JOB_PICTURES=["a.png"]\nJOB_WEIGHTS=model.pth',
    b"--weights\nmodel.pth\na.png\nb.png\n--log-format=json",
    b"--test-image\n3\n--help",
)
SWEEPS: Final = (
    b"""method = "grid"
[settings]
learning_rate = [0.001, 0.1]
batch_size = [32, 64]
epochs = 1
""",
    b"""method = "list"
[[points]]
learning_rate = 0.1
[[points]]
optimizer = "adamw"
""",
    b"""method = "random"
seed = 1
count = 3
[settings]
learning_rate = { min = 1e-4, max = 1.0, scale = "log" }
optimizer = { choices = ["sgd", "adamw"] }
""",
)
STATE: Final = RunState(
    epoch=1, batch=3, epoch_loss=0.3, epoch_seconds=1.5, history=[], settings={"seed": 3}
)


@cache
def whole(target: str) -> tuple[bytes, ...]:
    """Some contents that the loader of this target takes, or whose parts it looks at."""
    values = encode(np.arange(18, dtype=np.uint8).reshape(SHAPE))
    manifest, payload = _checkpoint()
    contents: dict[str, tuple[bytes, ...]] = {
        "settings": SETTINGS,
        "idx_file": (values,),
        "idx_of_any_shape": (values, encode(np.arange(3, dtype=np.uint8))),
        "packed_file": (gzip.compress(values, mtime=0),),
        "manifest": (manifest,),
        "sealed_manifest": (json.dumps(json.loads(manifest)["body"]).encode(),),
        "sealed_payload": (payload,),
        "safetensors_file": (payload,),
        "safetensors_header": (_header(encoded(".safetensors")),),
        "pth_file": (_small_pth(),),
        "pth_program": (_member(_small_pth(), "data.pkl"), _member(encoded(".pth"), "data.pkl")),
        "pt2_file": (pth_with(b"", weights=NUMBERS),),
        "pt2_index": (_member(encoded(".pt2"), "model_weights_config.json"),),
        "picture": tuple(_pictures()),
        "record": (run_record().model_dump_json().encode(),),
        "ledger": (_ledger(),),
        "heartbeat_file": (_beat().model_dump_json().encode(),),
        "lease_file": tuple(this_holder(0, locked=locked).content for locked in (True, False)),
        "sweep_file": SWEEPS,
        "compared_run": tuple(_left_by_a_run()),
        "reported_run": tuple(_left_by_a_run()),
    }
    return contents[target]


def _checkpoint() -> tuple[bytes, bytes]:
    tensors = {"a": torch.arange(10.0), "b": torch.zeros(2, 3)}
    with tempfile.TemporaryDirectory() as folder:
        saved = checkpoint.save(Path(folder), 2, STATE, tensors)
        return (saved / "manifest.json").read_bytes(), safetensors.torch.save(tensors)


def _header(content: bytes) -> bytes:
    return content[8 : 8 + int.from_bytes(content[:8], "little")]


def _small_pth() -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.nn.Linear(4, 2).state_dict(), buffer)
    return buffer.getvalue()


def _member(archive: bytes, ending: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(ending))
        return opened.read(name)


def _ledger() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        first = Ledger.begin(Path(folder), "node-1", Stopwatch())
        first.end(ExitCode.INTERRUPTED, "SIGTERM", step=40, reached=45)
        Ledger.begin(Path(folder), "node-2", Stopwatch())
        return (Path(folder) / "attempts.jsonl").read_bytes()


def _beat() -> Beat:
    return Beat(
        attempt=1,
        phase="training",
        step=50,
        idle_seconds=0.5,
        allowed_seconds=300.0,
        seconds=12.5,
        time=datetime.now(UTC),
        uptime_seconds=time.monotonic(),
        process=this_process(),
    )


def _left_by_a_run() -> Iterator[bytes]:
    yield full_record().model_dump_json().encode()
    yield epoch(1).model_dump_json().encode()
    yield _ledger()
    yield _beat().model_dump_json().encode()
    yield json.dumps({"index": 0, "settings": {"learning_rate": 0.1}}).encode()
    yield _checkpoint()[0]
    yield json.dumps(PREFLIGHT).encode()


def _pictures() -> Iterator[bytes]:
    """Each kind that is read, grey, in colour, with a palette, transparent, deep, turned."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    colour = Image.fromarray(noise)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        yield _saved(colour, kind)
        yield _saved(colour.convert("L"), kind)
    yield _saved(colour, "JPEG", progressive=True, exif=exif)
    yield _saved(colour, "WEBP", lossless=True, exif=exif)
    yield _saved(colour.convert("RGBA"), "PNG", exif=exif)
    yield _saved(colour.quantize(8), "PNG", transparency=3)
    yield _saved(colour.convert("L").convert("I;16"), "PNG")
    yield _saved(colour.convert("1"), "BMP")
    yield _saved(colour, "GIF", save_all=True, append_images=[colour.rotate(180)], comment=b"hello")


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
