"""What torch is to do when an exchange of NCCL fails: nothing, for the job has its own watchers.

torch would end the process with SIGABRT a minute later: 134, which says nothing to a scheduler, and
names nobody. `beats` names the rank that was lost, and ends a main thread that is stuck with 75;
where none was lost, the watchdog of each rank ends it with 82.
"""

from collections.abc import MutableMapping
from typing import Final

# 0 lets the GPU wait in vain. 2 would abort the exchange, and the steps behind it would run on with
# what a broken sum left in the gradients: weights that might be saved before the loss is known.
HANDLING: Final = "TORCH_NCCL_ASYNC_ERROR_HANDLING"
OLD_HANDLING: Final = "NCCL_ASYNC_ERROR_HANDLING"
# Eight minutes after that dump torch's monitor aborts what 0 has let live. Without it the monitor
# is left for torch's own watchdog being stuck: the last way out if a thread hangs in the driver and
# holds Python's lock, so that no watcher of the job can run.
DUMP: Final = "TORCH_NCCL_DUMP_ON_TIMEOUT"


def leave_failures_to_beats(environ: MutableMapping[str, str], device_type: str) -> None:
    """Tell torch so, before it opens a process group; what the user has set stays."""
    if device_type != "cuda":
        return
    if OLD_HANDLING not in environ:
        environ.setdefault(HANDLING, "0")
    environ.setdefault(DUMP, "0")
