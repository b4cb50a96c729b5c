"""What a warm start can become: the job over the small dataset, one save, one look back."""

import gc
import io
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from generations import Save, found_in, perform
from job import checkpoint, files, lease
from job.__main__ import leave, main
from job.errors import JobError
from job.session import CHECKPOINTS
from job.stop import StopFlag

SECOND_LAYER: Final = (512, 512)


def run(argv: list[str], gate: socket.socket) -> None:
    """Be the program that `argv` names, to the process's end."""
    if argv[0] in JOBS:
        leave(JOBS[argv[0]](argv[1:]))
    # So that all that is written is written to the volume, and an error of that is no other.
    sys.stdout = sys.stderr = told = io.StringIO()
    files.PAUSES_SECONDS = (0.001,) * 3  # type: ignore[misc]  # nothing is being waited for
    code = end_as_the_job(PROGRAMS[argv[0]], argv[1:])
    gate.sendall(told.getvalue().encode())
    leave(code)


def end_as_the_job(program: Callable[..., object], arguments: list[str]) -> int:
    """The exit code of the table, its reason being told."""
    try:
        program(*arguments)
    except JobError as error:
        sys.stderr.write(error.seen + "\n")
        return error.exit_code
    return 0


def train(arguments: list[str]) -> int:
    """The job's own `main`, with the arguments of `python -m job`."""
    sys.argv = ["job", *arguments]
    return main()


def train_spoiled(arguments: list[str]) -> int:
    """The same in a memory that goes bad once there is a checkpoint."""
    output = Path(arguments[arguments.index("--output-dir") + 1])
    threading.Thread(target=_spoil, args=(output,), daemon=True).start()
    return train(arguments)


def _spoil(output: Path) -> None:
    while checkpoint.newest(output / CHECKPOINTS) is None:
        time.sleep(0.001)
    for each in gc.get_objects():
        if isinstance(each, Tensor) and each.shape == SECOND_LAYER:
            each.data.view(-1)[0] = torch.nan


def save(step: str, generation: str, output: str) -> None:
    """What an attempt writes: nothing that a killed one has left stays, then comes one save."""
    files.remove_leftovers(Path(output))
    perform(Save(int(step), int(generation)), Path(output))


def find(output: str) -> None:
    """What a restart does first: tell the generation that it goes on from."""
    sys.stdout.write(f"generation {found_in(Path(output))}\n")


def own(output: str) -> None:
    """What an attempt does before it writes: become the owner of a folder, and let it go."""
    with lease.acquire(Path(output), silence_seconds=0.5, stop=StopFlag()) as held:
        held.require()
        sys.stdout.write("owner\n")


JOBS: Final[dict[str, Callable[[list[str]], int]]] = {"job": train, "spoiled job": train_spoiled}
PROGRAMS: Final[dict[str, Callable[..., None]]] = {"find": find, "own": own, "save": save}
