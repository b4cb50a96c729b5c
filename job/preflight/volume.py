"""Can this node keep what the job writes: shared memory, and the output volume."""

import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from job.files import TEMPORARY_SUFFIX, make_folder, remove_file, write_bytes
from job.preflight.verdict import Check, Finding, leave_out, perform

MEBIBYTE: Final = 2**20
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # it is measured, nothing is put there
# Docker's default of 64 MiB is enough for this job, which shares no tensors between processes.
LEAST_SHARED_BYTES: Final = 64 * MEBIBYTE
NEEDED_BYTES: Final = 256 * MEBIBYTE
AMPLE_BYTES: Final = 1024 * MEBIBYTE
PROBE_BYTES: Final = 64 * 1024
SLOW_WRITE_SECONDS: Final = 1.0
FREE_SPACE: Final = "free some space, or set JOB_OUTPUT_DIR to a folder on a larger volume"


def check_shared_memory(folder: Path = SHARED_MEMORY) -> Finding:
    """Whether `/dev/shm` is large enough for workers that pass tensors through it."""
    if not folder.exists():
        return Finding("skip", f"{folder} is not there")
    size = shutil.disk_usage(folder).total
    seen = f"{folder} has {size // MEBIBYTE} MiB"
    if size >= LEAST_SHARED_BYTES:
        return Finding("pass", seen)
    remedy = "docker run --shm-size=1g; in a pod mount an emptyDir of medium Memory on /dev/shm"
    return Finding("warn", seen, remedy)


def inspect_volume(output_dir: Path, deadline: float) -> list[Check]:
    """The checks of the output volume; a folder that is not there yet is made and stays."""
    first = _perform("output folder", lambda: _make_folder(output_dir), deadline)
    if first.verdict == "fail":
        names = ("output space", "output write")
        return [first, *(leave_out(n, "not tried: no output folder", part="volume") for n in names)]
    return [
        first,
        _perform("output space", lambda: judge_space(shutil.disk_usage(output_dir).free), deadline),
        _perform("output write", lambda: _write(output_dir), deadline),
    ]


def judge_space(free_bytes: int) -> Finding:
    """Whether checkpoints and artifacts will fit."""
    seen = f"{free_bytes // MEBIBYTE} MiB free, at least {NEEDED_BYTES // MEBIBYTE} MiB needed"
    if free_bytes < NEEDED_BYTES:
        return Finding("fail", seen, FREE_SPACE)
    if free_bytes < AMPLE_BYTES:
        return Finding("warn", seen, FREE_SPACE)
    return Finding("pass", seen)


def judge_write(seconds: float) -> Finding:
    """Whether a durable replacement of a small file is quick enough for checkpoints."""
    seen = f"a durable atomic replacement took {seconds * 1000:.1f} ms"
    if seconds < SLOW_WRITE_SECONDS:
        return Finding("pass", seen)
    remedy = "use a faster volume, or save less often with JOB_CHECKPOINT_EVERY_SECONDS"
    return Finding("warn", seen, remedy)


def _perform(name: str, probe: Callable[[], Finding], deadline: float) -> Check:
    return perform(name, probe, part="volume", deadline=deadline)


def _make_folder(output_dir: Path) -> Finding:
    existed = output_dir.exists()
    make_folder(output_dir)
    return Finding("pass", f"{output_dir} {'is there' if existed else 'was made'}")


def _write(output_dir: Path) -> Finding:
    # Should the job be killed here, the next one sweeps files with this suffix.
    path = output_dir / f".preflight-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    try:
        write_bytes(path, b"old")
        return _replace(path, secrets.token_bytes(PROBE_BYTES))
    finally:
        remove_file(path)


def _replace(path: Path, data: bytes) -> Finding:
    started = time.perf_counter()
    write_bytes(path, data)
    return judge_write(time.perf_counter() - started)
