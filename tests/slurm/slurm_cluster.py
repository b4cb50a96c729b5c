"""A real Slurm cluster on virtual hosts: munged, slurmctld, and a slurmd for each node.

The first host is the login node. GPUs are simulated: Slurm counts and hands them out, but behind
each device file is /dev/null.
"""

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from closed_folders import reopen
from virtual_hosts import Hosts, virtual_hosts

LOGIN: Final = "login"
# What the jobs of all users run with.
PYTHON: Final = (Path(sys.base_prefix), Path(sysconfig.get_path("purelib")))
GPUS_PER_NODE: Final = 2
STOP_SECONDS: Final = 30
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED: Final = ("ip", "nsenter", "munged", "slurmctld", "slurmd", "sbatch")
UP: Final = {"idle", "mix", "alloc", "comp"}
# Three partitions tell the kinds of preemption apart. KillWait and SlurmdTimeout are short, and
# cred_expire, which is also how long a requeued job waits, is as short as Slurm lets it be.
SETTINGS: Final = """\
ClusterName=virtual
SlurmctldHost={login}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=3600
SlurmdTimeout=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
{nodes}
PartitionName=grace Nodes=ALL Default=YES State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
PartitionName=abrupt Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=urgent Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
{extra}
"""
# More processors than there are, so that jobs run side by side; a step may use all of them.
NODE: Final = "NodeName={0} NodeAddr={1} CPUs=8 RealMemory=16000 Gres=gpu:h100:{2}"


@dataclass
class Cluster:
    """A running cluster; its hosts can be entered."""

    folder: Path
    hosts: Hosts
    daemons: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes that compute."""
        return self.hosts.names[1:]

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's programs need to find this cluster and no other."""
        return {"PATH": PATH, "SLURM_CONF": f"{self.folder}/slurm.conf"}

    def on(self, host: str, *command: str | Path) -> str:
        """Run `command` as root on `host`; return what it printed."""
        argv = self.hosts.argv(host, *command)
        return subprocess.run(
            argv, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def lose_node(self, node: str) -> None:
        """End all that runs on a node, as a power cut does."""
        self.hosts.cut_power(node)
        self.daemons.pop(node).wait(STOP_SECONDS)

    def restore(self) -> None:
        """Start the nodes that are not there, and wait until jobs can be given to all of them."""
        for node in self.nodes:
            if node not in self.daemons:
                self._start(node, node, "slurmd", "-D", "-N", node)
        wait_until("the nodes", lambda: all(map(self._is_up, self.nodes)))

    def start(self) -> None:
        """Start all daemons."""
        self._start("munged", LOGIN, "munged", "--foreground", *self._munge_options())
        wait_until("munged", (self.folder / "munge.socket").exists)
        self._start("slurmctld", LOGIN, "slurmctld", "-D")
        self.restore()

    def stop(self) -> None:
        """Let the daemons end, the last one first; what they leave behind goes with the hosts."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(STOP_SECONDS)

    def _start(self, name: str, host: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                self.hosts.argv(host, *command),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever stops them in order
            )

    def _munge_options(self) -> list[str]:
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        files = [f"--{option}={self.folder}/munge.{name}" for option, name in names.items()]
        return [*files, f"--log-file={self.folder}/munged.log"]

    def _is_up(self, node: str) -> bool:
        command = self.hosts.argv(LOGIN, "sinfo", "--noheader", "--nodes", node, "--format=%t")
        seen = subprocess.run(
            command, env=self.environment, check=False, capture_output=True, text=True
        )
        return set(seen.stdout.split()) <= UP and bool(seen.stdout)


@contextmanager
def slurm_cluster(
    folder: Path, nodes: int = 4, extra: str = "", mounts: Sequence[str] = ()
) -> Iterator[Cluster]:
    """Start a cluster with all that it owns in `folder`, yield it, and stop it.

    `extra` are further lines for its slurm.conf, `mounts` lines of shell that its hosts begin with.
    """
    _require_programs()
    names = (LOGIN, *(f"gpu{number + 1}" for number in range(nodes)))
    with virtual_hosts(folder, names, [*mounts, *reopen(PYTHON, folder / "behind")]) as hosts:
        cluster = Cluster(folder, hosts)
        _configure(cluster, extra)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def wait_until(what: str, ready: Callable[[], object], seconds: float = 60) -> None:
    """Look five times a second whether `ready`; raise TimeoutError with `what` if it is not."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.2)


def _require_programs() -> None:
    missing = [name for name in NEEDED if shutil.which(name, path=PATH) is None]
    if os.geteuid() != 0:
        raise PermissionError("virtual hosts can be made by root only")
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: see docs/slurm.md for the packages")


def _configure(cluster: Cluster, extra: str) -> None:
    folder, hosts = cluster.folder, cluster.hosts
    for name in ("state", "dev", *(f"spool/{node}" for node in cluster.nodes)):
        (folder / name).mkdir(parents=True)
    for number in range(GPUS_PER_NODE):
        os.mknod(folder / "dev" / f"nvidia{number}", 0o20666, os.makedev(1, 3))
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    facts = {"login": LOGIN, "address": hosts.address(LOGIN), "folder": folder, "extra": extra}
    lines = [NODE.format(node, hosts.address(node), GPUS_PER_NODE) for node in cluster.nodes]
    (folder / "slurm.conf").write_text(SETTINGS.format(**facts, nodes="\n".join(lines)))
    devices = f"{folder}/dev/nvidia[0-{GPUS_PER_NODE - 1}]"
    (folder / "gres.conf").write_text(f"Name=gpu Type=h100 File={devices}\n")
