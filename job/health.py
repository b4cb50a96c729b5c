"""Is the job alive? Judged by its heartbeat, as a liveness probe asks; imports no torch."""

from pathlib import Path
from typing import Final

from job import heartbeat
from job.errors import StalledError
from job.heartbeat import Beat
from job.settings import Settings

# A beat comes each second; loading a library may keep the process from giving any for a while.
SILENCE_SECONDS: Final = 30.0
# The job's own watchdog comes first: it shows where the threads stand.
GRACE_SECONDS: Final = 30.0
FIX: Final = "end the process, and run the same command to go on"


def answer(settings: Settings) -> str:
    """Say where the job stands; raises `StalledError` for one that is not there or does nothing."""
    path = settings.heartbeat_file or settings.output_dir / heartbeat.FILE
    return judge(_read(path))


def judge(beat: Beat) -> str:
    """The beat in words; raises `StalledError` if it is too old, or nothing moves between beats."""
    age, allowed = beat.age, beat.allowed_seconds
    told = f"{beat.phase}, step {beat.step}, attempt {beat.attempt} on {beat.process.node}"
    if beat.phase == "ended":
        return told
    if age > SILENCE_SECONDS:
        raise StalledError(
            f"no sign of life for {age:.0f} s: {told}", allowed=f"{SILENCE_SECONDS:g} s", fix=FIX
        )
    idle = beat.idle_seconds + age
    if allowed is not None and idle > allowed + GRACE_SECONDS:
        raise StalledError(
            f"no progress for {idle:.0f} s: {told}",
            allowed=f"{allowed:g} s in this phase (JOB_STALL_SECONDS), and {GRACE_SECONDS:g} more",
            fix=FIX,
        )
    return f"{told}, {age:.1f} s ago"


def _read(path: Path) -> Beat:
    beat = heartbeat.read(path)
    if beat is None:
        raise StalledError(
            f"no heartbeat in {path}",
            allowed="the file that the job writes once it has the output folder",
            fix="wait until it has begun, or set JOB_OUTPUT_DIR or JOB_HEARTBEAT_FILE as it has it",
        )
    return beat
