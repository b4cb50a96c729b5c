"""A Docker daemon of the tests' own: private socket and store, no bridge, a GPU's stand-in."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine import PATH, Engine, wait_until
from stand_ins import make_driver

HOOKS: Final = Path(__file__).parent / "fakes"
STOP_SECONDS: Final = 60


@contextmanager
def docker_daemon(
    folder: Path, options: Sequence[str] = (), variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Engine]:
    """Start dockerd with all that it owns below `folder`, yield its client, stop it by its pid.

    `options` are further ones of its own, `variables` are for the stand-ins that it starts.
    """
    driver = make_driver(folder / "driver")
    docker = Engine(
        ("docker",), {"DOCKER_HOST": f"unix://{folder}/docker.sock", "DOCKER_BUILDKIT": "1"}
    )
    with (folder / "dockerd.log").open("w") as log:
        process = subprocess.Popen(
            [*_command(folder), *options],
            env={"PATH": f"{HOOKS}:{PATH}", "FAKE_DRIVER": str(driver), **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until("the docker daemon", lambda: docker("version").returncode == 0)
        yield docker
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        unmount_below(folder)


def unmount_below(folder: Path) -> None:
    """Let go of what a store has left mounted, so that it can be deleted."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith(f"{folder}{os.sep}"):
            subprocess.run(["umount", "--lazy", mount], check=True)


def _command(folder: Path) -> list[str]:
    return [
        "/usr/sbin/dockerd",
        f"--host=unix://{folder}/docker.sock",
        f"--data-root={folder}/docker",
        f"--exec-root={folder}/docker-exec",
        f"--pidfile={folder}/docker.pid",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
    ]
