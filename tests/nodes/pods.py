"""Two pods of an Indexed Job on one machine, and the little of a cluster that they notice.

Each is a network namespace with a cable to a bridge in a third one, the cluster's, where the
resolver runs; the machine's own network is not touched. A process in a pod sees the pod's host name
and what kubelet writes into its /etc: its own name in `hosts`, the cluster's resolver in
`resolv.conf`. Names are those of k8s/overlays/multi-node.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RESOLVER: Final = Path(__file__).with_name("late_dns.py")
NETWORK: Final = "10.78.0"
GATEWAY: Final = f"{NETWORK}.1"
JOB: Final = "fashion-mnist"
SIZE: Final = 2
DOMAIN: Final = f"{JOB}.default.svc.cluster.local"
MASTER: Final = f"{JOB}-0.{JOB}"  # a pod and its headless service, as manifests write it
PROGRAMS: Final = ("ip", "nsenter", "unshare", "mount", "hostname")
RESOLV_CONF: Final = f"""\
nameserver {GATEWAY}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
NSSWITCH: Final = "hosts: files dns\n"
# In the namespaces of a process: the files of its pod over those of the machine, then its name.
BECOME: Final = """
for file in hosts resolv.conf nsswitch.conf; do mount --bind "$1/$file" "/etc/$file"; done
hostname "$2"
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Pods:
    """The pods, numbered as the Job numbers them, and the prefix of their namespaces' names."""

    folder: Path
    prefix: str

    def start(
        self, index: int, command: list[str], environment: Mapping[str, str], log: Path
    ) -> "subprocess.Popen[bytes]":
        """Start `command` in a pod, as the very process that is returned; it writes to `log`."""
        argv = ["nsenter", f"--net=/run/netns/{self.namespace(host(index))}"]
        argv += ["unshare", "--uts", "--mount", "sh", "-euc", BECOME, "sh"]
        argv += [str(self.folder / host(index)), host(index), *command]
        with log.open("wb") as file:
            return subprocess.Popen(argv, env=environment, stdout=file, stderr=file)

    def cut(self, index: int) -> None:
        """Take the pod off the network, at the other end of its cable."""
        self._plug(index, "down")

    def mend(self, index: int) -> None:
        """Undo `cut`."""
        self._plug(index, "up")

    @contextmanager
    def own_address(self, index: int, found: str) -> Iterator[None]:
        """Let a pod know its own name by another address."""
        hosts = self.folder / host(index) / "hosts"
        before = hosts.read_text()
        hosts.write_text(before.replace(address(index), found))
        yield
        hosts.write_text(before)

    @contextmanager
    def resolver(self, late_seconds: float) -> Iterator[Path]:
        """A resolver that knows the pods after so many seconds; yields the file of its answers."""
        names = [f"{host(index)}.{DOMAIN}={address(index)}" for index in range(SIZE)]
        argv = ["ip", "netns", "exec", self.namespace("cluster"), sys.executable, str(RESOLVER)]
        log = self.folder / "resolver.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*argv, GATEWAY, str(late_seconds), *names], stdout=file, stderr=file
            )
        try:
            await_word(log, "ready", process)
            yield log
        finally:
            process.kill()
            process.wait()

    def namespace(self, name: str) -> str:
        """The name of a network namespace."""
        return f"{self.prefix}-{name}"

    def _plug(self, index: int, state: str) -> None:
        _ip("-n", self.namespace("cluster"), "link", "set", host(index), state)


def host(index: int) -> str:
    """The host name of a pod."""
    return f"{JOB}-{index}"


def address(index: int) -> str:
    """The address of a pod."""
    return f"{NETWORK}.{10 + index}"


def await_word(
    log: Path, word: str, process: "subprocess.Popen[bytes]", seconds: float = 90
) -> None:
    """Wait until `word` is in the log of a process that runs; fails with the log."""
    until = time.monotonic() + seconds
    while word not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise AssertionError(f"no {word!r} in {log.name}:\n{log.read_text()}")
        time.sleep(0.02)


@contextmanager
def two_pods(folder: Path) -> Iterator[Pods]:
    """Make the namespaces, yield, and leave nothing of them."""
    _require_means()
    pods = Pods(folder, f"pods-{os.getpid()}")
    with ExitStack() as stack:
        for name in ("cluster", *map(host, range(SIZE))):
            _ip("netns", "add", pods.namespace(name))
            stack.callback(_ip, "netns", "delete", pods.namespace(name))
        _make_bridge(pods.namespace("cluster"))
        for index in range(SIZE):
            _connect(pods, index)
            _write_files(folder / host(index), index)
        yield pods


def _require_means() -> None:
    """Tell what is missing, before half of it is built."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise RuntimeError(
            f"{', '.join(missing)} not found: install iproute2, util-linux, hostname"
        )
    if os.geteuid() != 0:
        raise PermissionError("namespaces are made by root: sudo make test-nodes")


def _make_bridge(cluster: str) -> None:
    _ip("-n", cluster, "link", "add", "bridge", "type", "bridge")
    _ip("-n", cluster, "address", "add", f"{GATEWAY}/24", "dev", "bridge")
    _ip("-n", cluster, "link", "set", "bridge", "up")


def _connect(pods: Pods, index: int) -> None:
    cluster, pod = pods.namespace("cluster"), pods.namespace(host(index))
    cable = ("type", "veth", "peer", "name", host(index), "netns", cluster)
    _ip("-n", pod, "link", "add", "eth0", *cable)
    _ip("-n", cluster, "link", "set", host(index), "master", "bridge", "up")
    _ip("-n", pod, "address", "add", f"{address(index)}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", pod, "link", "set", device, "up")


def _write_files(folder: Path, index: int) -> None:
    own = f"{address(index)} {host(index)}.{DOMAIN} {host(index)}\n"
    folder.mkdir()
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + own)
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    (folder / "nsswitch.conf").write_text(NSSWITCH)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        command, seen = " ".join(arguments), done.stderr.strip()
        raise RuntimeError(f"ip {command}: {seen} (a container needs to be --privileged)")
