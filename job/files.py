"""Durable atomic writes: a file is either the old one or the new one, whatever dies when.

The recipe, in the order that makes it true: a unique temporary file in the same folder, write,
flush, fsync, read back, replace, fsync the folder. An error that passes by itself is met with all
of it anew, after a pause: after a failed fsync the kernel may have dropped the data and calls the
file clean, so a file is never synced twice. Errors that stay become an `OutputError`.
"""

import contextlib
import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from job.errors import OutputError
from job.reading import read_bounded

TEMPORARY_SUFFIX: Final = ".partial"
# What network volumes answer while their server restarts, and a disk when one fsync has failed.
PASSING_ERRORS: Final = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EINTR})
# A folder, a pipe, a device and a file that is far too long are not what was meant.
NO_FILE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EINVAL, errno.EFBIG}
)
PAUSES_SECONDS: Final = (0.05, 0.2, 0.8)

T = TypeVar("T")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably and atomically; the folder must exist.

    Raises `OutputError` that names the path and the cause; `path` is then a whole file all the
    same, as a rule the old one: the new one if its name could not be made durable.
    """
    insist("write", path, lambda: _replace(path, data))


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


def read_bytes(path: Path, limit_bytes: int) -> bytes | None:
    """Return the content of a file, or None if there is none, or none of so few bytes.

    Raises `OutputError` if the volume does not give it.
    """
    return insist("read", path, lambda: _read_meant(path, limit_bytes))


def names_in(folder: Path) -> list[str]:
    """Return the names in `folder`, none if it is absent; raise `OutputError` if it is shut."""
    return insist("read", folder, lambda: _list(folder))


def make_folder(path: Path) -> None:
    """Create `path` and its parents, durably; an existing folder is fine."""
    missing = insist("write", path, lambda: [each for each in _upwards(path) if not each.exists()])
    insist("write", path, lambda: _make(path, missing))


def remove_folder(path: Path) -> None:
    """Remove `path` and all below it; one that is gone already is fine."""
    insist("remove", path, lambda: _remove(path))


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left behind; nobody else may be writing below `folder`."""
    for leftover in insist("read", folder, lambda: [*folder.rglob(f".*{TEMPORARY_SUFFIX}")]):
        remove_file(leftover)


def remove_file(path: Path) -> None:
    """Remove `path`; one that is gone already is fine."""
    insist("remove", path, lambda: path.unlink(missing_ok=True))


def insist(verb: str, path: Path, act: Callable[[], T]) -> T:
    """Return what `act` returns, trying again after errors that pass.

    Raises `OutputError` that names the path and the cause of an error that stays.
    """
    pauses = iter(PAUSES_SECONDS)
    while True:
        try:
            return act()
        except OSError as error:
            pause = next(pauses, None)
            if pause is None or error.errno not in PASSING_ERRORS:
                raise _refusal(verb, path, error) from error
            _tell(verb, path, error)
            time.sleep(pause)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(
        f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    )
    try:
        _write_new(temporary, data)
        _require_kept(temporary, data)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # which must not hide what went wrong first
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_new(path: Path, data: bytes) -> None:
    # This applies the umask to 0o666; NamedTemporaryFile would leave 0600, closed to others.
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        _forget_pages(file.fileno())


def _forget_pages(descriptor: int) -> None:
    """Let what is read back come from the volume rather than from memory, where that works."""
    with contextlib.suppress(OSError, AttributeError):  # macOS does not have it
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _require_kept(path: Path, data: bytes) -> None:
    if path.read_bytes() != data:
        raise OSError(errno.EIO, "it reads back as something else than was written")


def _read_meant(path: Path, limit_bytes: int) -> bytes | None:
    try:
        return read_bounded(path, limit_bytes)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise


def _list(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)  # noqa: PTH208  # names are what is asked for
    return []


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _upwards(path: Path) -> list[Path]:
    return [path, *path.parents]


def _make(path: Path, missing: list[Path]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync_folder(folder.parent)
    if not missing:  # whoever made it may have been killed before its name was durable
        with contextlib.suppress(PermissionError):  # a mount; what is around it is not ours
            _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # SMB and some FUSE volumes cannot sync names
            raise
    finally:
        os.close(descriptor)


def _refusal(verb: str, path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot {verb} {path}: {_reason(error)}",
        allowed="a folder on a volume that is mounted, writable and not full",
        fix="mount a writable volume, free some space, or set JOB_OUTPUT_DIR to another folder",
    )


def _tell(verb: str, path: Path, error: OSError) -> None:
    import structlog  # noqa: PLC0415  # `explain` need not wait for it

    structlog.get_logger().warning(
        "volume error, trying again", doing=verb, path=str(path), reason=_reason(error)
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
