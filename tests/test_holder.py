"""Claims about `job.holder`: a lease is vacant when that is certain, and not before."""

import os
from pathlib import Path

import pytest

from contestants import Rival, file_of, holder_of, leave_behind, rewrite
from job.holder import GONE, Sight, lock, look, this_holder


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The output folder of an owner that was killed."""
    with Rival() as rival:
        assert rival.take(tmp_path) is None
    return tmp_path


def _is_vacant(output_dir: Path) -> bool:
    return look(file_of(output_dir)).is_vacant


def test_file_says_who_it_is() -> None:
    """Node, process and time in words; a token that is another one each time."""
    one, two = this_holder(7, locked=True), this_holder(7, locked=True)

    assert str(one) == f"process {os.getpid()} on {one.process.node} since {one.since}"
    assert one.token != two.token
    assert Sight(Path("x"), one.content).holder == one


def test_lease_of_a_running_owner_is_not_vacant(tmp_path: Path) -> None:
    """Neither by its process nor by its lock."""
    with Rival() as rival:
        rival.take(tmp_path)
        holder = holder_of(tmp_path)

        assert (holder.process.pid, holder.locked, holder.released) == (rival.process.pid, True, 0)
        assert not _is_vacant(tmp_path)
        rewrite(tmp_path, pid_namespace=1)
        assert not _is_vacant(tmp_path)


def test_lease_that_was_released_is_vacant(tmp_path: Path) -> None:
    """Even if its process goes on."""
    with Rival() as rival:
        rival.take(tmp_path)
        rival.ask("release")

        assert holder_of(tmp_path).released
        assert _is_vacant(tmp_path)


def test_lease_of_a_killed_owner_is_vacant_by_its_process(killed: Path) -> None:
    """Where there are no locks, its number and its start tell."""
    rewrite(killed, locked=False)

    assert _is_vacant(killed)


def test_lease_of_a_killed_container_is_vacant_by_its_lock(killed: Path) -> None:
    """Numbers of processes mean nothing outside of it, but the kernel let go of the lock."""
    rewrite(killed, pid_namespace=1, node="the-container-before")

    assert _is_vacant(killed)


@pytest.mark.parametrize(
    "unknown", [{"boot": "another"}, {"boot": ""}, {"device": 1}, {"locked": False}]
)
def test_lease_of_which_nothing_is_certain_is_not_vacant(
    killed: Path, unknown: dict[str, str | int]
) -> None:
    """Another kernel, another mount, no lock: a lock that can be had proves nothing there."""
    rewrite(killed, pid_namespace=1, **unknown)

    assert not _is_vacant(killed)


@pytest.mark.parametrize("garbage", [b"", b"{", b"null", b'{"token": "x"}', b"\xff"])
def test_lease_that_says_nothing_yet_is_not_vacant(tmp_path: Path, garbage: bytes) -> None:
    """Its owner may be about to write it."""
    leave_behind(tmp_path)
    file_of(tmp_path).write_bytes(garbage)
    seen = look(file_of(tmp_path))

    assert (seen.holder, seen.is_vacant) == (None, False)


def test_lease_that_is_gone_is_vacant(tmp_path: Path) -> None:
    """A successor may have removed it."""
    assert look(tmp_path / "00000001.json").is_vacant


def test_touched_lease_looks_other_than_before(tmp_path: Path) -> None:
    """That is how a challenger sees that the owner lives."""
    leave_behind(tmp_path)
    before = look(file_of(tmp_path))
    assert look(file_of(tmp_path)) == before

    os.utime(file_of(tmp_path))
    assert look(file_of(tmp_path)) != before


def test_volume_that_cannot_be_read_is_no_missing_lease(tmp_path: Path) -> None:
    """Only what says that the file is gone counts as that."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    with pytest.raises(OSError, match="symbolic links") as caught:
        look(tmp_path / "loop")
    assert caught.value.errno not in GONE


def test_file_system_without_locks_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner then has to do without."""

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / "file").touch()

    assert lock(tmp_path / "file") is None
