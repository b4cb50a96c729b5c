"""Decides how many processes train on this node, and runs them if they are several.

Imports no torch: the launcher stays small beside its ranks, and starts them at once.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from job import termination
from job.errors import ExitCode, InterruptedRunError
from job.launch.crew import Crew
from job.launch.gpus import count_visible
from job.settings import Settings
from job.settings.threads import THREADS, cores
from job.stop import StopFlag
from job.world.location import locate
from job.world.placement import LOOPBACK, Node, Placement
from job.world.torchrun import as_rank

# For ranks whose run is over: to notice it takes the slowest of them eight seconds.
GRACE_SECONDS: Final = 30.0
CORES_OF_TASK: Final = "SLURM_CPUS_PER_TASK"

log = structlog.get_logger()


def run(
    settings: Settings,
    stop: StopFlag,
    *,
    command: Sequence[str] | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> ExitCode | None:
    """Run the ranks of this node to their end; None if this process is to train by itself.

    It is, if it is a rank already or the only one of its node. Otherwise each rank runs `command`,
    by default what this process was started with. Returns the exit code of the rank that brought
    down the others, whose last word becomes the job's. Raises `SettingsError` as `locate` does, and
    what `Ending.exit_code` raises for a rank that could not tell.
    """
    node = locate(os.environ, settings)
    processes = 1 if isinstance(node, Placement) else _processes(node, settings)
    if isinstance(node, Placement) or processes == 1:
        return None
    if stop.reason is not None:
        raise InterruptedRunError(f"stopped by {stop.reason}", fix="run the same command to go on")
    if node.master_port is None:
        node = replace(node, master_port=free_port())
    log.info("launching", processes=processes, node=node.rank, nodes=node.count, told=node.source)
    environments = rank_environments(os.environ, node, processes)
    failure = Crew(command or same_command(), environments, grace_seconds).attend(stop)
    if failure is None:
        return ExitCode.FINISHED
    code = failure.exit_code()
    termination.say(failure.last_word)
    return code


def rank_environments(
    environ: Mapping[str, str], node: Node, processes: int
) -> dict[int, dict[str, str]]:
    """The environment of each rank of `node`, with its fair share of the cores.

    They are those that this process may use, or fewer where Slurm says that its task has fewer: not
    every site binds tasks to theirs.
    """
    threads = str(max(_cores_of_task(environ) // processes, 1))
    shared = {THREADS: threads} | dict(environ)
    places = [node.placement(index, processes) for index in range(processes)]
    return {place.rank: as_rank(shared, place) for place in places}


def same_command() -> list[str]:
    """The command line of this process."""
    return [sys.executable, *sys.orig_argv[1:]]


def free_port() -> int:
    """A port of this host that nothing else has at the moment."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def _cores_of_task(environ: Mapping[str, str]) -> int:
    told = environ.get(CORES_OF_TASK, "")
    return min(cores(), int(told)) if told.isdecimal() else cores()


def _processes(node: Node, settings: Settings) -> int:
    if node.processes is not None:
        return node.processes
    if settings.device not in ("auto", "cuda"):
        return 1
    return max(count_visible(os.environ.get("CUDA_VISIBLE_DEVICES")), 1)
