"""Claims about `job.files`."""

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from job import files
from job.errors import OutputError

VERSIONS = (b"a" * 300_000, b"b" * 200_000)
REWRITE_FOREVER = """
import pathlib, sys
from job import files
path, versions = pathlib.Path(sys.argv[1]), (b"a" * 300_000, b"b" * 200_000)
print("ready", flush=True)
while True:
    for version in versions:
        files.write_bytes(path, version)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with old content, alone in its folder."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


@contextmanager
def volume_that_fills_up() -> Iterator[None]:
    """Let the kernel refuse all that would make a file longer than a thousand bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fail_to_sync(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, times: int = 1_000_000
) -> list[str]:
    """Let so many fsyncs raise `error`; return the list that gets the name of what each was of."""
    tried: list[str] = []
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        tried.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        if len(tried) <= times:
            raise error
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    return tried


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is being waited for."""
    monkeypatch.setattr(files, "PAUSES_SECONDS", (0.001,) * 3)


def watch_syncs(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[str, bytes]]:
    """Note of each fsync what it was of, and the content of `path` at that time."""
    seen: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        seen.append((name, path.read_bytes() if path.is_file() else b""))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return seen


def sync_no_names(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Let folders answer with an error to being synced."""
    fsync = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_files_only)


def alone(path: Path) -> bool:
    """Whether nothing lies beside `path`."""
    return list(path.parent.iterdir()) == [path]


def test_written_bytes_are_read_back(path: Path) -> None:
    """A file is made, or replaced, and nothing is left beside it."""
    files.write_bytes(path, b"\0new\n")
    assert path.read_bytes() == b"\0new\n"
    assert alone(path)

    files.write_bytes(path.with_name("other"), b"")
    assert path.with_name("other").read_bytes() == b""


def test_text_is_written_as_utf_8(path: Path) -> None:
    """The locale of a container has no say in the bytes."""
    files.write_text(path, "é\r\n×")
    assert path.read_bytes() == "é\r\n×".encode()


def test_json_is_written_for_people_and_programs(path: Path) -> None:
    """Indented, and with the newline that ends a text file."""
    files.write_json(path, {"a": [1, None]})
    assert path.read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'


def test_json_lines_are_one_row_a_line(path: Path) -> None:
    """No row spreads over two lines, whatever is in it."""
    files.write_json_lines(path, [{"a": "x\ny\u2028"}, {}])
    assert path.read_text() == '{"a": "x\\ny\\u2028"}\n{}\n'

    files.write_json_lines(path, [])
    assert path.read_text() == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_json_is_refused(path: Path, value: float) -> None:
    """A number that no other language reads never gets into a file, and the old one stays."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, [value])
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json_lines(path, [{"loss": value}])
    assert path.read_bytes() == b"old"


def test_full_volume_leaves_the_old_content(path: Path) -> None:
    """A write that stops halfway is an `OutputError`, and has not happened."""
    with volume_that_fills_up(), pytest.raises(OutputError) as caught:
        files.write_bytes(path, VERSIONS[0])

    assert caught.value.seen == f"cannot write {path}: File too large"
    assert caught.value.exit_code == 73
    assert path.read_bytes() == b"old"
    assert alone(path)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (OSError("odd"), "odd"),
    ],
)
def test_error_that_stays_is_final(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, cause: str
) -> None:
    """It is told with the path and the kernel's words, not tried again, and the old file stays."""
    tried = fail_to_sync(monkeypatch, error)
    with pytest.raises(OutputError) as caught:
        files.write_bytes(path, b"new")

    assert caught.value.seen == f"cannot write {path}: {cause}"
    assert len(tried) == 1
    assert path.read_bytes() == b"old"
    assert alone(path)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("number", sorted(files.PASSING_ERRORS))
def test_error_that_passes_is_met_with_a_new_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """After a failed sync the kernel may have dropped the data, so no file is synced twice."""
    tried = fail_to_sync(monkeypatch, OSError(number, os.strerror(number)), times=2)
    with structlog.testing.capture_logs() as events:
        files.write_bytes(path, b"new")

    assert path.read_bytes() == b"new"
    assert len(tried) == len(set(tried)) == 4  # three files and the folder
    assert [event["reason"] for event in events] == [os.strerror(number)] * 2
    assert alone(path)


@pytest.mark.usefixtures("_impatient")
def test_error_that_does_not_pass_ends_at_last(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many tries as there are pauses, and one."""
    tried = fail_to_sync(monkeypatch, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OutputError, match="Input/output error"):
        files.write_bytes(path, b"new")

    assert len(tried) == 4
    assert path.read_bytes() == b"old"


def test_pauses_grow_and_end_within_the_grace_of_a_pod() -> None:
    """Kubernetes gives 30 seconds between SIGTERM and SIGKILL, and a save has to fit in."""
    assert list(files.PAUSES_SECONDS) == sorted(files.PAUSES_SECONDS)
    assert 1 <= sum(files.PAUSES_SECONDS) < 5


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("kept_bytes", [2, 4], ids=["a byte lost", "a byte more"])
def test_what_reads_back_as_something_else_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    """A volume that says yes and has other bytes is found out before the old file is gone."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.ftruncate(descriptor, kept_bytes))
    with pytest.raises(OutputError, match="reads back as something else"):
        files.write_bytes(path, b"new")

    assert path.read_bytes() == b"old"
    assert alone(path)


def test_pages_are_dropped_before_they_are_read_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be the memory that is compared; where there is no such call, it is."""
    advised: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *what: advised.append(what))
    files.write_bytes(path, b"new")
    assert advised == [(0, 0, os.POSIX_FADV_DONTNEED)]  # from its start to its end

    monkeypatch.delattr(os, "posix_fadvise")
    files.write_bytes(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_first_error_is_the_one_that_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in tidying up after it does not hide it."""

    def refuse(_path: Path, *, missing_ok: bool) -> None:
        raise OSError(errno.EROFS, f"Read-only file system {missing_ok}")

    fail_to_sync(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="No space left"):
        files.write_bytes(path, b"new")


def test_any_other_end_of_a_write_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no fault of the volume passes through as it is, and the old file stays."""
    fail_to_sync(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, b"new")

    assert path.read_bytes() == b"old"
    assert alone(path)


def test_name_is_replaced_between_the_two_syncs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is durable before it gets the name, and then the name is made durable."""
    seen = watch_syncs(monkeypatch, path)
    files.write_bytes(path, b"new")

    (temporary, before), last = seen
    assert (temporary.endswith(files.TEMPORARY_SUFFIX), before) == (True, b"old")
    assert last == ("folder", b"new")


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_mode_follows_the_umask(path: Path, umask: int) -> None:
    """Results can be read by whoever may read what this user writes, no more and no less."""
    before = os.umask(umask)
    try:
        files.write_bytes(path, b"new")
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """The error has the path, the cause and what to do, and exit code 73."""
    path = tmp_path / "none" / "file"
    with pytest.raises(OutputError) as caught:
        files.write_bytes(path, b"new")

    assert caught.value.exit_code == 73
    assert caught.value.seen == f"cannot write {path}: No such file or directory"
    assert "JOB_OUTPUT_DIR" in caught.value.fix
    assert caught.value.allowed


def test_killed_writer_leaves_one_of_two_versions(path: Path) -> None:
    """Whenever a writer is killed, and whenever a reader looks, the file is whole."""
    files.write_bytes(path, VERSIONS[0])
    for number in range(20):
        _kill_a_writer(path, after_seconds=number / 500)

    files.remove_leftovers(path.parent)
    assert path.read_bytes() in VERSIONS
    assert alone(path)


def _kill_a_writer(path: Path, after_seconds: float) -> None:
    command = [sys.executable, "-c", REWRITE_FOREVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        end = time.monotonic() + after_seconds
        while time.monotonic() < end:
            assert path.read_bytes() in VERSIONS
        writer.kill()
    assert path.read_bytes() in VERSIONS


def test_writers_at_once_do_not_meet(path: Path) -> None:
    """Each has a temporary file of its own; one of them is last, and its file is whole."""
    writers = [
        threading.Thread(target=files.write_bytes, args=(path, VERSIONS[number % 2]))
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert path.read_bytes() in VERSIONS
    assert alone(path)


def test_mounted_file_is_written_in_place(path: Path) -> None:
    """It keeps its inode, which is what is mounted, and nothing of a longer old text."""
    inode = path.stat().st_ino
    files.overwrite_mounted(path, "x")

    assert path.read_text() == "x"
    assert path.stat().st_ino == inode


def test_absent_mounted_file_stays_absent(tmp_path: Path) -> None:
    """Where there is no Kubernetes, its file is not invented."""
    files.overwrite_mounted(tmp_path / "log", "x")
    assert list(tmp_path.iterdir()) == []


def test_new_folders_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name that is new is synced in its folder, and that of a folder that exists once more."""
    folder = tmp_path / "outer" / "inner"
    seen = watch_syncs(monkeypatch, folder)
    files.make_folder(folder)

    assert folder.is_dir()
    assert sorted(name for name, _ in seen) == sorted([tmp_path.name, "outer"])

    seen.clear()
    files.make_folder(folder)  # whoever made it may have been killed before its name was durable
    assert [name for name, _ in seen] == ["outer"]


def test_folder_around_a_mount_need_not_let_itself_be_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is around an output folder that exists is not the job's."""
    opened = os.open

    def refuse(name: Path, *rest: Any) -> int:
        if name == path.parent.parent:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refuse)
    files.make_folder(path.parent)
    with pytest.raises(OutputError, match="Permission denied"):
        files.make_folder(path.parent.with_name("new"))


def test_volume_that_cannot_sync_names_is_used_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMB and some FUSE volumes answer EINVAL, and nothing more can be done there."""
    sync_no_names(monkeypatch, errno.EINVAL)
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOSPC])
def test_any_other_error_of_a_name_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A name that may be lost is no success."""
    sync_no_names(monkeypatch, error)
    with pytest.raises(OutputError, match=os.strerror(error)):
        files.write_bytes(path, b"new")


def test_file_is_read(path: Path) -> None:
    """Whole, or not at all."""
    assert files.read_bytes(path, 3) == b"old"
    assert files.read_bytes(path, 2) is None


def test_what_is_no_file_reads_as_none(path: Path) -> None:
    """Absent, below a file, a folder, a pipe that nobody writes into."""
    os.mkfifo(path.with_name("pipe"))
    for other in (path / "below", path.with_name("absent"), path.parent, path.with_name("pipe")):
        assert files.read_bytes(other, 1000) is None


def test_names_are_those_in_the_folder(path: Path) -> None:
    """None where there is no folder; anything else that is in the way is told."""
    assert files.names_in(path.parent) == [path.name]
    assert files.names_in(path.with_name("absent")) == []
    with pytest.raises(OutputError, match="cannot read"):
        files.names_in(path)


@pytest.mark.usefixtures("_impatient")
def test_file_that_cannot_be_read_is_an_output_error(path: Path) -> None:
    """With the path and the kernel's words."""
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    with pytest.raises(OutputError, match=f"cannot read {loop}: Too many levels"):
        files.read_bytes(loop, 1000)


def test_removed_folder_is_gone_with_all_in_it(path: Path) -> None:
    """Removing it a second time is fine."""
    files.remove_folder(path.parent)
    assert not path.parent.exists()
    files.remove_folder(path.parent)


def test_removed_file_is_gone(path: Path) -> None:
    """Removing it a second time is fine."""
    files.remove_file(path)
    assert not path.exists()
    files.remove_file(path)


def test_only_leftovers_of_writers_are_removed(path: Path) -> None:
    """At any depth, and nothing that a user may have named."""
    inner = path.parent / "inner"
    inner.mkdir()
    kept = {path, inner, inner / "x.partial", inner / ".hidden"}
    leftovers = [path.parent / ".file.1-ab.partial", inner / ".file.2-cd.partial"]
    for each in [inner / "x.partial", inner / ".hidden", *leftovers]:
        each.write_bytes(b"")

    files.remove_leftovers(path.parent)
    assert set(path.parent.rglob("*")) == kept


@pytest.mark.parametrize(
    ("action", "cause"),
    [
        (files.make_folder, "File exists"),
        (files.remove_folder, "Not a directory"),
        (lambda path: files.write_bytes(path / "below", b""), "Not a directory"),
        (lambda path: files.remove_file(path.parent), "Is a directory"),
        (lambda path: files.write_bytes(path.parent, b""), "Is a directory"),
    ],
    ids=["make", "remove folder", "write below", "remove file", "write over"],
)
def test_every_refusal_of_the_volume_is_an_output_error(
    path: Path, action: Any, cause: str
) -> None:
    """Whatever the kernel says, the job ends with 73 and the kernel's words."""
    with pytest.raises(OutputError, match=cause):
        action(path)
    assert path.read_bytes() == b"old"


def test_sync_gives_its_descriptor_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that fails for hours does not use up the files of the process."""
    fail_to_sync(monkeypatch, OSError(errno.EIO, "Input/output error"))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # no path is wanted
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            files._sync_folder(path.parent)

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # likewise
