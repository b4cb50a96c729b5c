"""A user of the cluster who is nobody special, and what this user has: a clone of the project.

The clone's dataset is a small one, so that an epoch takes a few hundredths of a second. Its
nvidia-smi tells of one healthy GPU, which is a stand-in: the jobs train on the CPU.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datasets import small_dataset
from slurm_cluster import LOGIN, Cluster, slurm_cluster
from slurm_image import Mount

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "nobody"
CLONE: Final = "fashion-mnist-job"
AS_USER: Final = ("setpriv", f"--reuid={NAME}", "--regid=nogroup", "--clear-groups")
SCENARIO: Final = "set -eu\n"


@dataclass(frozen=True)
class User:
    """Someone without privileges, with a home and a clone in it, at work on the login node."""

    cluster: Cluster
    home: Path

    @property
    def clone(self) -> Path:
        """The project's folder."""
        return self.home / CLONE

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user's shell."""
        home = str(self.home)
        path = f"{home}/driver:{self.cluster.environment['PATH']}"
        return {**self.cluster.environment, "HOME": home, "USER": NAME, "PATH": path}

    def argv(self, *command: str | Path) -> list[str]:
        """The argv that runs `command` as this user on the login node."""
        return self.cluster.hosts.argv(LOGIN, *AS_USER, *command)

    def run(self, *command: str | Path, **settings: str) -> str:
        """Run `command` in the clone; return what it printed."""
        return subprocess.run(
            self.argv(*command),
            cwd=self.clone,
            env={**self.environment, **settings},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout


@contextmanager
def user_of_a_cluster(nodes: int, extra: str = "", *, image: Mount | None = None) -> Iterator[User]:
    """Start a cluster in a temporary folder, and yield a user with a clone and a driver.

    `extra` are further lines for slurm.conf; `image` is one that the nodes are to have.
    """
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        home = folder / "home"
        _furnish(home / CLONE, home)
        mounts = image(folder, home / CLONE) if image else []
        with slurm_cluster(folder, nodes, extra, mounts) as cluster:
            yield User(cluster, home)


def _furnish(clone: Path, home: Path) -> None:
    for part in ("job", "slurm"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, clone / part, ignore=ignored)
    _make_venv(clone / ".venv")
    _make_small(clone)
    _make_driver(home / "driver")
    subprocess.run(["chown", "--recursive", f"{NAME}:nogroup", home], check=True)


def _make_venv(folder: Path) -> None:
    """A venv with the packages of the one that runs this."""
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    link = folder / "lib" / version / "site-packages" / "packages.pth"
    link.write_text(sysconfig.get_path("purelib") + "\n")


def _make_small(clone: Path) -> None:
    spec = clone / "job" / "data" / "spec.py"
    dataset = small_dataset(clone / "data")
    text, replaced = re.subn(r"DatasetSpec\(\n.*", repr(dataset), spec.read_text(), flags=re.DOTALL)
    if replaced != 1:
        raise LookupError(f"{spec} does not describe the dataset where it used to")
    spec.write_text(text + "\n")


def _make_driver(folder: Path) -> None:
    folder.mkdir()
    text = (ROOT / "tests" / "fakes" / "nvidia-smi").read_text()
    program = folder / "nvidia-smi"
    program.write_text(text.replace(SCENARIO, f"{SCENARIO}FAKE_NVIDIA_SMI=healthy\n", 1))
    program.chmod(0o755)
