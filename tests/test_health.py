"""Claims about `job.health`: a probe's answer is right, quick, and no other's last word."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import Program
from job import health, heartbeat
from job.errors import StalledError
from job.heartbeat import Beat
from job.process import this_process
from job.settings import Settings


def _beat(age: float = 0.5, **changes: Any) -> Beat:
    parts = {
        "attempt": 2,
        "phase": "training",
        "step": 400,
        "idle_seconds": 0.1,
        "allowed_seconds": 300.0,
        "seconds": 9.0,
        "time": datetime.now(UTC),
        "uptime_seconds": time.monotonic() - age,
        "process": this_process(),
    }
    return Beat.model_validate(parts | changes)


def _write(path: Path, beat: Beat) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(beat.model_dump_json())
    return path


def test_job_that_moves_is_healthy() -> None:
    """The answer says where it stands."""
    node = this_process().node

    assert health.judge(_beat()) == f"training, step 400, attempt 2 on {node}, 0.5 s ago"


@pytest.mark.parametrize(
    ("phase", "idle", "allowed", "healthy"),
    [
        ("training", 299.0, 300.0, True),
        ("training", 325.0, 300.0, True),  # the watchdog comes first
        ("training", 331.0, 300.0, False),
        ("data", 3000.0, 3600.0, True),
        ("data", 3700.0, 3600.0, False),
        ("meeting", 9e9, None, True),
    ],
)
def test_job_is_judged_by_its_phase(
    phase: str, idle: float, allowed: float | None, healthy: bool
) -> None:
    """Fetching may be long, a step may not; how long, the job itself has told."""
    beat = _beat(phase=phase, idle_seconds=idle, allowed_seconds=allowed)
    if healthy:
        assert health.judge(beat).startswith(phase)
        return
    with pytest.raises(StalledError, match=f"no progress for .*: {phase}, step 400"):
        health.judge(beat)


def test_job_that_gives_no_sign_of_life_is_not_healthy() -> None:
    """A process that is frozen cannot say so itself, in no phase."""
    assert health.judge(_beat(age=25))
    for phase in ("training", "data", "meeting"):
        with pytest.raises(StalledError, match="no sign of life for 40 s"):
            health.judge(_beat(age=40.2, phase=phase))


def test_time_since_the_last_beat_counts_as_idle() -> None:
    """Nothing moves that is not told of."""
    with pytest.raises(StalledError, match="no progress for 340 s"):
        health.judge(_beat(age=20, idle_seconds=320.0))


def test_job_that_has_ended_is_not_to_be_ended() -> None:
    """However long ago; how it ended stands in the ledger."""
    assert health.judge(_beat(age=9e6, phase="ended")).startswith("ended, step 400")


def test_missing_heartbeat_is_not_healthy(tmp_path: Path) -> None:
    """The place where it was looked for is named."""
    with pytest.raises(StalledError, match=str(tmp_path / heartbeat.FILE)):
        health.answer(Settings(output_dir=tmp_path))


def test_heartbeat_of_the_node_is_preferred(tmp_path: Path) -> None:
    """A pod asks for its own, and not for that of rank 0."""
    _write(tmp_path / "output" / heartbeat.FILE, _beat(step=1))
    own = _write(tmp_path / "own", _beat(step=2))
    settings = Settings(output_dir=tmp_path / "output")

    assert "step 1," in health.answer(settings)
    assert "step 2," in health.answer(settings.model_copy(update={"heartbeat_file": own}))


def test_command_answers_by_its_exit_code(tmp_path: Path, job: Program) -> None:
    """0 and a sentence, or 82 with the reason."""
    _write(tmp_path / "output" / heartbeat.FILE, _beat())
    healthy = job("health")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert healthy.stdout.startswith("training, step 400")

    silent = job("health", "--output-dir", "elsewhere")
    assert (silent.returncode, silent.stdout) == (82, "")
    assert json.loads(silent.stderr)["reason"] == "no heartbeat in elsewhere/heartbeat.json"


def test_command_imports_no_torch(tmp_path: Path) -> None:
    """A probe every half minute must not cost seconds."""
    _write(tmp_path / "output" / heartbeat.FILE, _beat())
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = None; "
        "sys.argv = ['job', 'health']; from job.__main__ import main; sys.exit(main())"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
