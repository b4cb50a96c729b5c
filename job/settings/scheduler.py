"""Which member of an array this process is, as its scheduler says it in the environment."""

import os
from collections.abc import Mapping
from typing import Final

from job.errors import SettingsError
from job.settings.fields import Settings

SLURM: Final = "SLURM_ARRAY_TASK_ID"
KUBERNETES: Final = "JOB_COMPLETION_INDEX"


def sweep_index(settings: Settings, environ: Mapping[str, str] = os.environ) -> int | None:
    """The point of the sweep: by the setting, else by Slurm's array, else by the Indexed Job.

    None where nothing says it. Raises `SettingsError` for what is no number, and where the index of
    the Job would have to be the point's and the node's at once.
    """
    if settings.sweep_index is not None:
        return settings.sweep_index
    name = next((each for each in (SLURM, KUBERNETES) if environ.get(each)), None)
    if name is None:
        return None
    if name == KUBERNETES and settings.nodes > 1:
        raise SettingsError(
            f"{name}={environ[name]} with JOB_NODES={settings.nodes}: one index cannot be both the"
            " point of the sweep and the node of its run",
            fix="set JOB_SWEEP_INDEX, and start one Indexed Job for each point",
        )
    if not environ[name].isdecimal():
        raise SettingsError(f"{name}={environ[name]}", allowed="an integer at least 0")
    return int(environ[name])
