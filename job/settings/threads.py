"""How many threads the matrix products get, and that those which wait for each other sleep.

torch's OpenMP runtime spins at the end of every parallel region, some three hundred thousand times.
On cores that are shared, the thread that spins keeps the one that it waits for from running:
with one busy neighbour on two cores a step of the quickstart took 125 ms instead of 4 ms.

It also takes a thread for each core that it sees, and a container sees all of its node: how much
of them it may use is a quota of its control group, which only the kernel looks at.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# 100 cost a wake-up in every region (2.6 ms of products a step for 1.7). Beside a busy neighbour an
# epoch of the fused step took 4 s with 2,000, 5 to 10 s with 5,000 and 8 to 11 s with 10,000.
SPINS: Final = "2000"
THREADS: Final = "OMP_NUM_THREADS"
MEMBERSHIP: Final = Path("/proc/self/cgroup")
CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")


def let_waiting_threads_sleep() -> None:
    """Tell the OpenMP runtime, unless the environment does; call it before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def keep_threads_within_quota(
    membership: Path = MEMBERSHIP, control_groups: Path = CONTROL_GROUPS
) -> None:
    """Let the runtime take no more threads than `cores`, unless the environment names a number.

    Without a quota it chooses by itself. Call it before torch is imported.
    """
    allowed = cores(membership, control_groups)
    if allowed < _cores_in_sight():
        os.environ.setdefault(THREADS, str(allowed))


def cores(membership: Path = MEMBERSHIP, control_groups: Path = CONTROL_GROUPS) -> int:
    """Cores that this process may keep busy: those it may run on, or as many as its quota is worth.

    A quota of two and a half is worth three, since all of it can be used by no fewer. `membership`
    and `control_groups` are where the kernel says of which groups it is, and what these may.
    """
    quotas = (_quota(group) for group in _groups(membership, control_groups))
    return min([_cores_in_sight(), *(max(math.ceil(each), 1) for each in quotas if each)])


def _cores_in_sight() -> int:
    return len(os.sched_getaffinity(0))


def _groups(membership: Path, control_groups: Path) -> Iterator[Path]:
    """The folders of the groups that this process is in, innermost first, as far as they are seen.

    A container may be told its path on the host, and see only its own group, as the root.
    """
    lines = membership.read_text().splitlines() if membership.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers == "" or "cpu" in controllers.split(","):
            root = control_groups / "cpu" if controllers else control_groups
            group = root / path.lstrip("/")
            yield from (each for each in (group, *group.parents) if each.is_relative_to(root))


def _quota(group: Path) -> float | None:
    """Cores' worth of time that a group may take; None without a limit. Version 2 first, then 1."""
    try:
        if (both := group / "cpu.max").exists():
            time, period = both.read_text().split()
        else:
            time, period = (
                (group / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period")
            )
        return None if time == "max" or int(time) < 0 else int(time) / int(period)
    except (OSError, ValueError):  # the group has no such file, or none that can be read
        return None
