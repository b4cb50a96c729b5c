"""Which process this is, told so that another one can find out whether it is still there."""

import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Process(BaseModel):
    """A process; where the system does not tell, `boot` is empty and the other numbers are 0."""

    model_config = ConfigDict(frozen=True)

    node: str
    pid: int = Field(ge=1, lt=2**31)  # more than that no kernel can be asked about
    boot: str  # the kernel's name for the time since it was started
    pid_namespace: int  # within which the pid means something
    started: int  # clock ticks since the boot


def this_process() -> Process:
    """Tell of the one that asks."""
    pid = os.getpid()
    return Process(
        node=platform.node(),
        pid=pid,
        boot=_boot(),
        pid_namespace=_pid_namespace(),
        started=_started(pid) or 0,
    )


def is_gone(process: Process) -> bool:
    """Whether it has ended for certain; False also where that cannot be seen from here."""
    here = this_process()
    same_view = (here.node, here.boot, here.pid_namespace) == (
        process.node,
        process.boot,
        process.pid_namespace,
    )
    return same_view and here.boot != "" and not _is_there(process)


def _is_there(process: Process) -> bool:
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user, and perhaps hidden in /proc
        pass
    return _started(process.pid) in (process.started, None)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _started(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])  # the name before it may hold anything
