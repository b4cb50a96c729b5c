"""The batch shell of a Slurm job, without a cluster: the scripts of `slurm/` run in one.

srun, scontrol and the task are stand-ins that refuse what they do not know.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
TRAIN: Final = ROOT / "slurm" / "train.sh"
FAKES: Final = Path(__file__).parent / "slurm" / "fakes"
PODMAN_TASK: Final = "podman-task"  # podman's stand-in starts it in place of a container
END_SECONDS: Final = 30


@dataclass(frozen=True)
class Ended:
    """What is left of a batch script: its exit code, its words, and what the programs noted."""

    code: int
    said: str
    notes: list[str]
    seen: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """The task's argv, its program by name."""
        program, *rest = self.seen["words"]
        return [Path(program).name.replace(PODMAN_TASK, "podman"), *rest]

    @property
    def requeues(self) -> list[str]:
        """What was asked of scontrol."""
        return [note for note in self.notes if note.startswith("scontrol")]

    @property
    def settings(self) -> dict[str, str]:
        """The settings and the threads that reached the task."""
        variables: dict[str, str] = self.seen["variables"]
        wanted = ("JOB_", "OMP_NUM_THREADS")
        return {name: text for name, text in variables.items() if name.startswith(wanted)}


@dataclass(frozen=True)
class Batch:
    """A batch shell on a node, with an environment as bare as `sbatch --export=NONE` leaves it."""

    project: Path

    def start(self, *flags: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a copy of the script, as Slurm does, in the project's folder."""
        copy = self.project.parent / "slurm_script"
        copy.write_bytes(TRAIN.read_bytes())
        environment = {
            "PATH": f"{self.project.parent}/bin:{Path(sys.executable).parent}:/usr/bin:/bin",
            "NOTES": str(self.project / "notes"),
            "SEEN": str(self.project / "seen"),
            "READY": str(self.project / "ready"),
            "TASK": "0",
            "SLURM_JOB_ID": "7",
            "SLURM_CPUS_PER_TASK": "2",
            "SLURM_JOB_NUM_NODES": "1",
            "SLURMD_NODENAME": "gpu1",
        }
        return subprocess.Popen(
            ["/bin/bash", copy, *flags],
            cwd=self.project,
            env=environment | variables,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, process: "subprocess.Popen[str]") -> Ended:
        """Wait for its end."""
        _, said = process.communicate(timeout=END_SECONDS)
        notes, seen = self.project / "notes", self.project / "seen"
        return Ended(
            process.returncode,
            said,
            notes.read_text().splitlines() if notes.exists() else [],
            json.loads(seen.read_text()) if seen.exists() else {},
        )

    def run(self, *flags: str, **variables: str) -> Ended:
        """Start and wait."""
        return self.wait(self.start(*flags, **variables))

    def interrupted(self, *numbers: signal.Signals, **variables: str) -> Ended:
        """Send the script signals, one after the other, while its task is at work and saves."""
        process = self.start(TASK="waits", **variables)
        while not (self.project / "ready").exists() and process.poll() is None:
            time.sleep(0.01)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.05)
        return self.wait(process)


def make_batch(folder: Path) -> Batch:
    """A project with a venv, and a node with Slurm's programs and the container runtimes."""
    project, programs = folder / "a project", folder / "bin"
    (project / ".venv" / "bin").mkdir(parents=True)
    programs.mkdir()
    (project / ".venv" / "bin" / "python").symlink_to(FAKES / "task")
    for name in ("srun", "scontrol", "podman"):
        (programs / name).symlink_to(FAKES / name)
    for name in ("apptainer", "ch-run", "docker", PODMAN_TASK):
        (programs / name).symlink_to(FAKES / "task")
    return Batch(project)
