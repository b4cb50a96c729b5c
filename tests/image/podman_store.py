"""podman with a store of the tests' own, and a GPU that is a stand-in behind a CDI description."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from docker_daemon import unmount_below
from engine import Engine
from stand_ins import make_driver

# podman's own limits are above what a machine without CAP_SYS_RESOURCE may set, and crun knows no
# hybrid cgroups.
SETTINGS: Final = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
cgroups = "enabled"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
"""
CDI_FOLDER: Final = "/etc/cdi"  # podman 4 reads descriptions there and nowhere else
# In a mount namespace of the call's own, so that the machine's descriptions stay as they are.
WITH_CDI: Final = f'mkdir -p {CDI_FOLDER} && mount --bind "$0" {CDI_FOLDER} && exec podman "$@"'


@contextmanager
def podman_store(folder: Path) -> Iterator[Engine]:
    """Yield podman with everything it owns below `folder`; no daemon stands behind it."""
    settings, storage = folder / "containers.conf", folder / "storage.conf"
    settings.write_text(SETTINGS)
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/podman"\n'
        f'runroot = "{folder}/podman-run"\n'
    )
    environment = {"CONTAINERS_CONF": str(settings), "CONTAINERS_STORAGE_CONF": str(storage)}
    namespace = ("unshare", "--mount", "sh", "-euc", WITH_CDI, str(_describe(folder)))
    try:
        yield Engine(namespace, {**environment, "TMPDIR": str(folder)})
    finally:
        unmount_below(folder)


def _describe(folder: Path) -> Path:
    driver = make_driver(folder / "driver")
    descriptions = folder / "cdi"
    descriptions.mkdir(exist_ok=True)
    (descriptions / "nvidia.json").write_text(json.dumps(_description(driver)))
    return descriptions


def _description(driver: Path) -> dict[str, Any]:
    mount = {
        "hostPath": f"{driver}/nvidia-smi",
        "containerPath": "/usr/bin/nvidia-smi",
        "options": ["ro", "bind"],
    }
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [{"name": "0", "containerEdits": {"mounts": [mount]}}],
    }
