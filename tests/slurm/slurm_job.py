"""A job on the cluster, seen as its user sees it: what Slurm says, its log, and what it leaves."""

import contextlib
import itertools
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slurm_cluster import wait_until
from slurm_user import User

ENDINGS: Final = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"}
END_SECONDS: Final = 300
# Two seconds of training; `Job.held_in_training` stretches them where something is to happen.
EPOCHS: Final = 100
FACT: Final = re.compile(r"(\S+?)=(\S*)")
STOPS: Final = 1 << (signal.SIGUSR1 - 1) | 1 << (signal.SIGTERM - 1)

_folders = itertools.count()


@dataclass(frozen=True)
class Job:
    """A submitted job, by the id that Slurm takes, and the folder of its results."""

    user: User
    id: str
    output: Path

    @property
    def facts(self) -> dict[str, str]:
        """What Slurm knows of it, such as JobState, ExitCode, Restarts, NodeList."""
        return dict(FACT.findall(self.user.run("scontrol", "show", "job", "--oneliner", self.id)))

    @property
    def log(self) -> str:
        """All that its attempts have printed."""
        return (self.user.clone / f"slurm-{self.id}.out").read_text()

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Its ledger."""
        ledger = (self.output / "attempts.jsonl").read_text()
        return [json.loads(line) for line in ledger.splitlines()]

    @property
    def weights(self) -> bytes:
        """What it has learnt, byte by byte."""
        return (self.output / "model.safetensors").read_bytes()

    def losses(self, epoch: int) -> tuple[float, float]:
        """What its history says of an epoch: the loss in training, and that on the test set."""
        row = json.loads((self.output / "metrics.jsonl").read_text().splitlines()[epoch - 1])
        return row["train_loss"], row["test_loss"]

    def await_end(self) -> dict[str, str]:
        """Wait until no further attempt will come; return the facts."""
        wait_until(
            f"the end of job {self.id}", lambda: self.facts["JobState"] in ENDINGS, END_SECONDS
        )
        return self.facts

    @contextmanager
    def held_in_training(self) -> Iterator[str]:
        """Hold it still once it has saved, yield the node, let go when a signal has reached it.

        So a run need not be long to be under way when something happens to it.
        """
        saved = self.output / "checkpoints"
        wait_until("a checkpoint", lambda: any(saved.glob("*/manifest.json")), END_SECONDS)
        node = self.facts["BatchHost"]
        processes = self.processes(node)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield node
        wait_until("a signal", lambda: all(map(_is_asked_to_stop, processes)))
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def processes(self, node: str) -> list[int]:
        """Its processes that train on a node."""
        return [pid for pid in self.user.cluster.hosts.processes(node) if self._is_this(pid)]

    def _is_this(self, process: int) -> bool:
        """Whether a process trains into the folder of this job."""
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        return (
            words[1:3] == [b"-m", b"job"] and f"JOB_OUTPUT_DIR={self.output}".encode() in variables
        )


def submit(user: User, script: str, *options: str, **settings: str) -> Job:
    """`sbatch` with these options and settings, and an output folder of the job's own."""
    output = user.clone / f"output-{next(_folders)}"
    defaults = {"JOB_DEVICE": "cpu", "JOB_EPOCHS": str(EPOCHS), "JOB_OUTPUT_DIR": str(output)}
    command = ("sbatch", "--parsable", *options, f"slurm/{script}")
    return Job(user, user.run(*command, **(defaults | settings)).strip(), output)


def submit_bare(user: User, script: str, *flags: str) -> Job:
    """`sbatch` without the user's environment, as sites recommend it, and with the job's flags."""
    flags = ("--device=cpu", f"--epochs={EPOCHS}", *flags)
    answer = user.run("sbatch", "--parsable", "--export=NONE", f"slurm/{script}", *flags)
    return Job(user, answer.strip(), user.clone / "output")


def _is_asked_to_stop(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    try:
        pending = re.search(r"^ShdPnd:\s*(\w+)", status.read_text(), re.MULTILINE)
        state = re.search(r"^State:\s*(\w)", status.read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return pending is None or state is None or bool(int(pending[1], 16) & STOPS) or state[1] != "T"
