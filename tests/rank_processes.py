"""Ranks as processes of their own, over the loopback: what the tests of `job.world` start."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from job.launch.launcher import free_port
from job.world.placement import LOOPBACK, Node, Placement
from job.world.torchrun import as_rank

RANK_PROGRAM: Final = Path(__file__).with_name("world_rank.py")
LIMIT_SECONDS: Final = 90


@dataclass(frozen=True)
class Outcome:
    """How a rank ended, after how many seconds, and what it said."""

    code: int
    said: dict[str, Any]
    events: list[dict[str, Any]]


def places(size: int) -> list[Placement]:
    """The ranks of one node, with a port that is free."""
    node = Node(0, 1, LOOPBACK, free_port(), "test")
    return [node.placement(rank, size) for rank in range(size)]


@contextmanager
def started(placed: list[Placement], deed: str, culprit: int = 0) -> Iterator[list[Any]]:
    """A process for each place; none outlives the block."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(RANK_PROGRAM), deed, str(culprit)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, env=as_rank(environ, place), stdout=pipe, stderr=pipe, text=True)
        for place in placed
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def outcomes(size: int, deed: str, culprit: int = 0, *, frozen: int | None = None) -> list[Outcome]:
    """Run `deed` on all ranks to its end; a `frozen` rank is left out."""
    with started(places(size), deed, culprit) as processes:
        return [_outcome(process) for rank, process in enumerate(processes) if rank != frozen]


def _outcome(process: "subprocess.Popen[str]") -> Outcome:
    out, err = process.communicate(timeout=LIMIT_SECONDS)
    lines = [line for line in err.splitlines() if line.startswith("{")]
    said = json.loads(out.splitlines()[-1]) if out else {"at": time.time()}
    return Outcome(process.returncode, said, [json.loads(line) for line in lines])
