"""Claims about `job.preflight.volume`."""

import time
from pathlib import Path

import pytest

from job.preflight import volume
from job.preflight.verdict import Check


def _inspect(folder: Path) -> dict[str, Check]:
    checks = volume.inspect_volume(folder, time.monotonic() + 8)
    assert {check.part for check in checks} == {"volume"}
    return {check.name: check for check in checks}


def test_volume_that_is_missing_is_made_and_left_clean(tmp_path: Path) -> None:
    """The folder stays, the probe does not."""
    folder = tmp_path / "a" / "b"
    checks = _inspect(folder)
    assert {check.verdict for check in checks.values()} <= {"pass", "warn"}
    assert checks["output folder"].seen == f"{folder} was made"
    assert list(folder.iterdir()) == []
    assert _inspect(folder)["output folder"].seen == f"{folder} is there"


def test_volume_that_cannot_be_made_fails_and_ends_its_checks(tmp_path: Path) -> None:
    """A file in the place of the folder is named, with a fix."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    checks = _inspect(blocked / "output")
    assert checks["output folder"].verdict == "fail"
    assert str(blocked / "output") in checks["output folder"].seen
    assert "JOB_OUTPUT_DIR" in checks["output folder"].remedy
    assert {checks[name].verdict for name in ("output space", "output write")} == {"skip"}


def test_durable_write_is_timed(tmp_path: Path) -> None:
    """The probe says how long a replacement takes."""
    assert _inspect(tmp_path)["output write"].seen.endswith(" ms")


def test_volume_that_returns_other_bytes_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read back is compared with what was written."""
    monkeypatch.setattr(Path, "read_bytes", lambda _: b"stale")
    check = _inspect(tmp_path)["output write"]
    assert check.verdict == "fail"
    assert "it reads back as something else than was written" in check.seen


@pytest.mark.parametrize(
    ("mebibytes", "verdict"), [(255, "fail"), (256, "warn"), (1023, "warn"), (1024, "pass")]
)
def test_free_space_has_a_floor_and_a_margin(mebibytes: int, verdict: str) -> None:
    """Too little fails, little warns."""
    assert volume.judge_space(mebibytes * 2**20).verdict == verdict


@pytest.mark.parametrize(("seconds", "verdict"), [(0.01, "pass"), (1.5, "warn")])
def test_slow_volume_warns(seconds: float, verdict: str) -> None:
    """Checkpoints on a slow volume hold the training up, and are still sound."""
    assert volume.judge_write(seconds).verdict == verdict


def test_shared_memory_that_is_large_enough_passes(tmp_path: Path) -> None:
    """The size of the file system counts."""
    assert volume.check_shared_memory(tmp_path).verdict == "pass"


def test_small_shared_memory_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder below the least size is named with the flag that enlarges it."""
    monkeypatch.setattr(volume, "LEAST_SHARED_BYTES", 2**80)
    finding = volume.check_shared_memory(tmp_path)
    assert finding.verdict == "warn"
    assert "--shm-size" in finding.remedy


def test_system_without_shared_memory_is_skipped(tmp_path: Path) -> None:
    """Not every system has such a folder, macOS for one."""
    assert volume.check_shared_memory(tmp_path / "none").verdict == "skip"
