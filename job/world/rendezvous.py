"""How ranks meet: rank 0 opens a store at its port, the others wait for its name and come.

A name may be unknown for half a minute after rank 0 has started, because Kubernetes' DNS remembers
that it was; and a port may be taken by an attempt that is still leaving.
"""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # it is documented there
from torch.distributed.distributed_c10d import PrefixStore, Store

from job.errors import InterruptedRunError, SettingsError
from job.world.patience import Limits, Patience
from job.world.placement import LOOPBACK, Placement
from job.world.terms import Terms, require_same

CONNECT_SECONDS: Final = 5.0
NAMED_RANKS: Final = 8
INTERFACE: Final = "GLOO_SOCKET_IFNAME"
THIS_HOST: Final = frozenset({LOOPBACK, "localhost"})

# A name's addresses, each as `socket.getaddrinfo` gives it.
Resolve = Callable[[str], Sequence[Any]]
look_up: Final[Resolve] = partial(socket.getaddrinfo, port=None, type=socket.SOCK_STREAM)


def await_master(place: Placement, patience: Patience, resolve: Resolve = look_up) -> None:
    """Return when rank 0 answers at its name and port; raises what `patience` raises."""
    while (trouble := _trouble(place.master_address, place.master_port, resolve)) is not None:
        patience.wait(trouble)


def open_store(
    place: Placement, patience: Patience, limits: Limits, resolve: Resolve = look_up
) -> Store:
    """The store of this attempt, which rank 0 holds unless torchrun does."""
    holds = place.is_main and not place.store_is_there
    if not holds:
        await_master(place, patience, resolve)
    return _store(place, patience, limits, holds=holds)


def visit_store(place: Placement, limits: Limits) -> Store:
    """Another connection to the store, for another thread: one waits while it is in use."""
    return _connect(place, limits, holds=False)


def require_own_address(place: Placement, resolve: Resolve = look_up) -> None:
    """See that gloo, which tells the others where this rank is, knows an address they can reach.

    Raises `SettingsError` if it knows the loopback only.
    """
    if place.nodes == 1 or place.master_address in THIS_HOST or os.environ.get(INTERFACE):
        return
    name = socket.gethostname()
    address = _own_address(name, resolve)
    if ipaddress.ip_address(address).is_loopback:
        raise SettingsError(
            f"this host knows its own name, {name}, by the loopback {address}",
            allowed="an address at which the other nodes find it",
            fix=f"set {INTERFACE} to the interface that leads to them, such as eth0",
        )


def meet(store: Store, place: Placement, device_type: str, patience: Patience) -> None:
    """Wait until all ranks are here and of one mind.

    Raises as `require_same` does if the terms are not those of rank 0, and `InterruptedRunError` if
    a rank failed or did not come in time.
    """
    terms = Terms.of(place, device_type)
    store.set(_host_key(place.rank), socket.gethostname())
    store.set(beat_key(place.rank), "0")
    if place.is_main:
        store.set("terms", terms.as_json())
    _await_key(store, "terms", patience)
    wanted = Terms.from_json(store.get("terms").decode())
    me, main = f"rank {place.rank} on {socket.gethostname()}", f"rank 0 on {host_of(store, 0)}"
    require_same(terms, wanted, me, main)
    store.add("here", 1)
    while store.add("here", 0) < place.size:
        _refuse_if_lost(store)
        patience.wait(f"ranks {_absent(store, place)} of {place.size}")


def beat_key(rank: int) -> str:
    """Where a rank gives its signs of life."""
    return f"beat/{rank}"


def host_of(store: Store, rank: int) -> str:
    """The name of the host of a rank that has come, or a question mark."""
    key = _host_key(rank)
    return str(store.get(key).decode()) if store.check([key]) else "?"


def tell_loss(store: Store, loss: str) -> str:
    """Tell all ranks of a loss; return the one that was told first."""
    return str(store.compare_set("lost", "", loss).decode())


def told_loss(store: Store) -> str | None:
    """The loss that was told."""
    return str(store.get("lost").decode()) if store.check(["lost"]) else None


def _own_address(name: str, resolve: Resolve) -> str:
    """The first that can be bound to: what gloo takes, and the loopback where there is none."""
    with contextlib.suppress(OSError):  # the name is unknown
        for family, kind, protocol, _, address in resolve(name):
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                return str(address[0])
    return LOOPBACK


def _trouble(address: str, port: int, resolve: Resolve) -> str | None:
    try:
        resolve(address)
    except OSError as error:
        return f"the name {address} to be known ({error})"
    try:
        socket.create_connection((address, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"rank 0 to answer at {address}:{port} ({error})"
    return None


def _store(place: Placement, patience: Patience, limits: Limits, *, holds: bool) -> Store:
    while True:
        try:
            return _connect(place, limits, holds=holds)
        except RuntimeError as error:
            first_line = str(error).partition("\n")[0]
            patience.wait(f"port {place.master_port} on {place.master_address} ({first_line})")


def _connect(place: Placement, limits: Limits, *, holds: bool) -> Store:
    store = TCPStore(
        LOOPBACK if holds else place.master_address,  # rank 0 may not know its own name yet
        place.master_port,
        is_master=holds,
        timeout=timedelta(seconds=limits.silence),
        wait_for_workers=False,
    )
    return PrefixStore(f"job/{place.attempt}", store)


def _host_key(rank: int) -> str:
    return f"host/{rank}"


def _await_key(store: Store, key: str, patience: Patience) -> None:
    while not store.check([key]):
        patience.wait(f"rank 0 to say its {key}")


def _refuse_if_lost(store: Store) -> None:
    if (loss := told_loss(store)) is not None:
        raise InterruptedRunError(loss, fix="see to that rank first; its log has the reason")


def _absent(store: Store, place: Placement) -> str:
    absent = [str(rank) for rank in range(place.size) if not store.check([_host_key(rank)])]
    more = [f"{len(absent) - NAMED_RANKS} more"] if len(absent) > NAMED_RANKS else []
    return ", ".join(absent[:NAMED_RANKS] + more)
