"""podman and docker for the jobs of a cluster, with a small image that stands in for the job's.

The image has the shape that the Dockerfile gives to the real one, and what it holds besides is
mounted into each container: this machine's /usr, the python that runs this, a clone of the project.
podman is rootless and of the cluster's user; docker has a daemon that knows nothing of Slurm. The
GPUs are stand-ins: a CDI description for podman, a prestart hook for docker.
"""

import json
import shlex
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1] / "image")]

from docker_daemon import docker_daemon  # noqa: E402  # the path above comes first
from job import explain  # noqa: E402
from slurm_cluster import GPUS_PER_NODE, PYTHON  # noqa: E402
from slurm_job import Job  # noqa: E402
from slurm_user import NAME, ROOT, User  # noqa: E402

IMAGE: Final = explain.IMAGE
MOUNTING: Final = Path(__file__).parent / "fakes" / "mounting-runc"
ARCHIVE: Final = "image.tar"
CHANGES: Final = (
    'ENTRYPOINT ["/entrypoint.sh"]',
    "USER 10001:0",
    "WORKDIR /app",
    "ENV HOME=/tmp",
    "ENV USER=job",
    "ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility",
)
# /usr itself is the image's own, because a GPU brings its nvidia-smi there.
MACHINE: Final = Path("/machine")
FOLDERS: Final = ("dev", "etc", "mnt", "output", "proc", "srv", "sys", "tmp", "usr", "usr/bin")
# A venv's python is one of these two, or lies below a prefix of its own.
PYTHONS: Final = ("usr/bin/python3", f"usr/bin/python3.{sys.version_info.minor}")
LINKS: Final = ("bin", "lib", "lib64", "sbin", "usr/lib", "usr/lib64", *PYTHONS)
# A site's settings for all users. crun is not Debian's choice for cgroups of the first version.
PODMAN: Final = """\
[containers]
cgroups = "enabled"
default_ulimits = []
volumes = {}
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""


@dataclass(frozen=True)
class Engine:
    """What a job is told to run in an engine, and what its containers are to see of two GPUs."""

    user: User
    settings: dict[str, str]
    gpus: set[str]

    @property
    def containers(self) -> list[str]:
        """All that there are on the node, the ended ones, too."""
        command = ("srun", self.settings["JOB_RUNTIME"], "ps", "--all", "--quiet")
        return self.user.run(*command, **self.settings).split()


class ContainedJob(Job):
    """A job whose processes are in a container, with a network and variables of their own."""

    def processes(self, node: str) -> list[int]:
        """Its processes that train; the node is the only one."""
        del node
        every = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [process for process in every if self._trains_in(process)]

    def _trains_in(self, process: int) -> bool:
        """Whether a process trains, and has the folder of this job as its /output."""
        volume = self.output.relative_to(self.user.cluster.folder.parent)
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            mounts = Path(f"/proc/{process}/mountinfo").read_text()
        except OSError:  # it has ended meanwhile
            return False
        return words[1:3] == [b"-m", b"job"] and f"/{volume} /output " in mounts


@contextmanager
def podman(user: User) -> Iterator[Engine]:
    """The rootless podman of a cluster's user, who has loaded the image on the node."""
    changes = [f"--change={change}" for change in CHANGES]
    user.run("srun", "podman", "import", *changes, user.cluster.folder / ARCHIVE, IMAGE)
    try:
        # As a login node gives it to those who have logged in there, and no other node has it.
        login = {"XDG_RUNTIME_DIR": "/run/login"}
        yield Engine(
            user, {"JOB_RUNTIME": "podman", **login}, {"FAKE_GPU_0=given", "FAKE_GPU_1=given"}
        )
    finally:
        user.run("srun", "podman", "kill", "--all")


@contextmanager
def docker(user: User) -> Iterator[Engine]:
    """A daemon that has the image, and whose group the cluster's user is in."""
    folder = user.cluster.folder / "docker"
    folder.mkdir()
    options = (
        "--group=nogroup",
        f"--add-runtime=mounting={MOUNTING}",
        "--default-runtime=mounting",
    )
    volumes = json.dumps({str(path): place for path, place in _volumes(user.clone).items()})
    with docker_daemon(folder, options, {"FAKE_VOLUMES": volumes}) as daemon:
        changes = [f"--change={change}" for change in CHANGES]
        daemon.checked("import", *changes, user.cluster.folder / ARCHIVE, IMAGE)
        settings = {"JOB_RUNTIME": "docker", "DOCKER_HOST": daemon.environment["DOCKER_HOST"]}
        yield Engine(user, settings, {"NVIDIA_VISIBLE_DEVICES=0,1"})


def ready_for_engines(folder: Path, clone: Path) -> list[str]:
    """Lines of shell that set up podman on a host as a site does; also packs the image."""
    _pack_image(folder / ARCHIVE)
    (folder / "subordinates").write_text(f"{NAME}:100000:65536\n")
    shutil.copytree("/etc/containers", folder / "containers")
    volumes = [f"{path}:{place}:ro" for path, place in _volumes(clone).items()]
    (folder / "containers" / "containers.conf").write_text(PODMAN.format(json.dumps(volumes)))
    (folder / "cdi").mkdir()
    (folder / "cdi" / "nvidia.json").write_text(json.dumps(_description(clone.parent / "driver")))
    laid = {"/etc/subuid": "subordinates", "/etc/subgid": "subordinates"}
    laid |= {"/etc/containers": "containers", "/etc/cdi": "cdi"}
    return [
        "mkdir -p /etc/cdi /run/user",
        *(shlex.join(["mount", "--bind", str(folder / laid[place]), place]) for place in laid),
        # What podman leaves in the memory of a node is gone with the node.
        "mount -t tmpfs -o mode=1777 memory /dev/shm",
        "mount -t tmpfs -o mode=1777 sessions /run/user",
    ]


def _pack_image(archive: Path) -> None:
    with tarfile.open(archive, "w") as image:
        for name in FOLDERS:
            _add(image, name, tarfile.DIRTYPE)
        for name in LINKS:
            _add(image, name, tarfile.SYMTYPE, f"{MACHINE}/usr/{name.removeprefix('usr/')}")
        image.add(ROOT / "entrypoint.sh", "entrypoint.sh")


def _add(image: tarfile.TarFile, name: str, kind: bytes, target: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, target, 0o1777 if name == "tmp" else 0o755
    image.addfile(entry)


def _volumes(clone: Path) -> dict[Path, str]:
    """What of this machine lies where in a container."""
    same = {path: str(path) for path in PYTHON if path != Path("/usr")}
    return {Path("/usr"): f"{MACHINE}/usr", **same, clone: "/app", clone / ".venv": "/opt/venv"}


def _description(driver: Path) -> dict[str, Any]:
    mount = {
        "hostPath": f"{driver}/nvidia-smi",
        "containerPath": "/usr/bin/nvidia-smi",
        "options": ["ro", "bind"],
    }
    gpus = [
        {"name": str(number), "containerEdits": {"env": [f"FAKE_GPU_{number}=given"]}}
        for number in range(GPUS_PER_NODE)
    ]
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "containerEdits": {"mounts": [mount]},
        "devices": gpus,
    }
