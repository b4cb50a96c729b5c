"""Virtual hosts on one machine: each with a network, a host name and a view of the files.

They are network namespaces, tied together by a bridge in the namespace of the first one, so that
the machine's own network is not touched. Making them needs root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NETWORK: Final = "10.77.0"
ENTER: Final = """\
#!/bin/sh
# on HOST COMMAND...: run the command on a virtual host, as root
set -eu
exec nsenter --net="/run/netns/{prefix}-$1" unshare --uts --mount "{folder}/become" "$@"
"""
BECOME: Final = """\
#!/bin/sh
# `on` calls it: the host's name, its /etc/hosts, and its mounts
set -eu
mount --bind "{folder}/hosts" /etc/hosts
{mounts}
hostname "$1"
shift
exec "$@"
"""


@dataclass(frozen=True)
class Hosts:
    """The hosts by name, and the folder with the program `on` that runs commands on them."""

    folder: Path
    prefix: str
    names: tuple[str, ...]

    def argv(self, host: str, *command: str | Path) -> list[str]:
        """The argv that runs `command` as root on `host`, in the very process that is started."""
        return [str(self.folder / "on"), host, *map(str, command)]

    def address(self, host: str) -> str:
        """The host's address in the network of the hosts."""
        return f"{NETWORK}.{1 + self.names.index(host)}"

    def namespace(self, host: str) -> str:
        """The name of the host's network namespace."""
        return f"{self.prefix}-{host}"

    def processes(self, host: str) -> list[int]:
        """All that runs on `host`."""
        return [int(pid) for pid in _ip("netns", "pids", self.namespace(host)).split()]

    def cut_power(self, host: str) -> None:
        """Kill all that runs on `host`."""
        for process in self.processes(host):
            os.kill(process, signal.SIGKILL)


@contextmanager
def virtual_hosts(folder: Path, names: tuple[str, ...], mounts: Sequence[str]) -> Iterator[Hosts]:
    """Make hosts of these names, yield them, and leave nothing of them.

    `mounts` are lines of shell that change what the hosts see of the machine's files.
    """
    hosts = Hosts(folder, f"slurm-{os.getpid()}-{folder.name}", names)
    _write_programs(hosts, mounts)
    with ExitStack() as stack:
        for name in names:
            _ip("netns", "add", hosts.namespace(name))
            stack.callback(_ip, "netns", "delete", hosts.namespace(name))
            stack.callback(hosts.cut_power, name)
            _connect(hosts, name)
        yield hosts


def _write_programs(hosts: Hosts, mounts: Sequence[str]) -> None:
    lines = [f"{hosts.address(name)} {name}\n" for name in hosts.names]
    (hosts.folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
    facts = {"folder": hosts.folder, "prefix": hosts.prefix, "mounts": "\n".join(mounts)}
    for name, text in (("on", ENTER), ("become", BECOME)):
        (hosts.folder / name).write_text(text.format(**facts))
        (hosts.folder / name).chmod(0o755)


def _connect(hosts: Hosts, name: str) -> None:
    """Give the host its address: the first one on the bridge, the others on a cable to it."""
    first, here = hosts.namespace(hosts.names[0]), hosts.namespace(name)
    if here == first:
        _ip("-n", here, "link", "add", "eth0", "type", "bridge")
    else:
        cable = ("type", "veth", "peer", "name", name, "netns", first)
        _ip("-n", here, "link", "add", "eth0", *cable)
        _ip("-n", first, "link", "set", name, "master", "eth0", "up")
    _ip("-n", here, "address", "add", f"{hosts.address(name)}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", here, "link", "set", device, "up")


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, stdout=-1, text=True).stdout
