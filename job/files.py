"""Durable atomic writes: a file is either the old one or the new one, whatever dies when.

The recipe, in the order that makes it true: a unique temporary file in the same folder, write,
flush, fsync, replace, fsync the folder. Nothing here retries an fsync: after a failed one the
kernel may have dropped the data, so the caller gets the error and the old file stays.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from job.errors import OutputError

TEMPORARY_SUFFIX: Final = ".partial"


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably and atomically; the folder must exist.

    Raises `OutputError` that names the path and the cause; the old content is then untouched.
    """
    temporary = path.with_name(
        f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    )
    with _volume_errors(path):
        try:
            _write_new(temporary, data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` as UTF-8, durably and atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON; NaN is refused, because it is not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Replace `path` by one line of JSON per row."""
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def overwrite_mounted(path: Path, text: str) -> None:
    """Write into a file that is a mount and cannot be replaced; an absent one stays absent."""
    if path.exists():
        path.write_text(text)


def make_folder(path: Path) -> None:
    """Create `path` and its parents, durably; an existing folder is fine."""
    with _volume_errors(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)


def remove_folder(path: Path) -> None:
    """Remove `path` and all below it; one that is gone already is fine."""
    with _volume_errors(path), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left behind; nobody else may be writing below `folder`."""
    with _volume_errors(folder):
        for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)


def remove_file(path: Path) -> None:
    """Remove `path`; one that is gone already is fine."""
    with _volume_errors(path):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: Path, data: bytes) -> None:
    # os.open applies the umask to 0o666; NamedTemporaryFile would leave 0600, closed to others.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _volume_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            allowed="a folder on a volume that is mounted, writable and not full",
            fix="mount a writable volume, free some space, or set JOB_OUTPUT_DIR to another folder",
        ) from error
