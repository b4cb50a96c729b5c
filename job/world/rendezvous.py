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

from job.errors import InterruptedRunError, SettingsError, UnfitNodeError
from job.stop import StopFlag
from job.world.loss import Loss, tell_loss, told_loss
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


def require_own_address(place: Placement, patience: Patience, resolve: Resolve = look_up) -> None:
    """See that gloo, which tells the others where this rank is, knows an address they can reach.

    Waits while the name server has no answer. Raises `SettingsError` if it knows the loopback only.
    """
    if place.nodes == 1 or place.master_address in THIS_HOST or os.environ.get(INTERFACE):
        return
    name = socket.gethostname()
    while _is_unanswered(name, resolve):
        patience.wait(f"a name server to know this host, {name}")
    address = _own_address(name, resolve)
    if ipaddress.ip_address(address).is_loopback:
        raise SettingsError(
            f"this host knows its own name, {name}, by the loopback {address}",
            allowed="an address at which the other nodes find it",
            fix=f"set {INTERFACE} to the interface that leads to them, such as eth0",
        )


def meet(
    store: Store, place: Placement, device_type: str, patience: Patience, gpu: str | None = None
) -> None:
    """Wait until all ranks are here and of one mind, each with a `gpu` of its own if any has one.

    Raises as `require_same` does if the terms are not those of rank 0, `UnfitNodeError` if another
    rank has this `gpu`, as `Loss.error` says if a rank failed, and `InterruptedRunError` if one did
    not come in time.
    """
    terms = Terms.of(place, device_type)
    store.set(_host_key(place.rank), socket.gethostname())
    store.set(beat_key(place.rank), "0")
    if place.is_main:
        store.set("terms", terms.as_json())
    _await_terms(store, patience)
    wanted = Terms.from_json(store.get("terms").decode())
    me, main = f"rank {place.rank} on {socket.gethostname()}", f"rank 0 on {host_of(store, 0)}"
    require_same(terms, wanted, me, main)
    if gpu is not None:
        _claim(store, place, gpu)
    store.set(_here_key(place.rank), "yes")
    # By their numbers: one that was started anew while it waited has come twice.
    while absent := [r for r in range(place.size) if not store.check([_here_key(r)])]:
        _refuse_if_lost(store)
        patience.wait(f"ranks {_named(absent)} of {place.size}")


def call_off(place: Placement, loss: Loss, stop: StopFlag, limits: Limits) -> None:
    """Tell the ranks that come to meet that it is in vain; return when they know or it lasts.

    Rank 0 may first have to watch the folder's last owner, and is waited for as at any meeting.
    """
    with contextlib.suppress(RuntimeError, InterruptedRunError):  # nobody came to hear it
        store = open_store(place, Patience(limits.rendezvous, stop), limits)
        tell_loss(store, loss)
        await_hearers(store, place, Patience(limits.farewell, stop))


def await_hearers(store: Store, place: Placement, patience: Patience) -> None:
    """Say that this rank knows of the loss; as the one that holds the store, wait for the others.

    Raises what `patience` raises.
    """
    store.set(heard_key(place.rank), "yes")
    while place.is_main and not place.store_is_there:
        deaf = [rank for rank in range(place.size) if not store.check([heard_key(rank)])]
        if not deaf:
            return
        patience.wait(f"ranks {_named(deaf)} to hear that they need not come")


def beat_key(rank: int) -> str:
    """Where a rank gives its signs of life."""
    return f"beat/{rank}"


def heard_key(rank: int) -> str:
    """Where a rank says that it knows of a loss."""
    return f"heard/{rank}"


def host_of(store: Store, rank: int) -> str:
    """The name of the host of a rank that has come, or a question mark."""
    key = _host_key(rank)
    return str(store.get(key).decode()) if store.check([key]) else "?"


def _is_unanswered(name: str, resolve: Resolve) -> bool:
    """Whether asking again may help; a name that nobody knows stays so."""
    try:
        resolve(name)
    except socket.gaierror as error:
        return error.errno == socket.EAI_AGAIN
    except OSError:
        return False
    return False


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


def _here_key(rank: int) -> str:
    return f"here/{rank}"


def _host_key(rank: int) -> str:
    return f"host/{rank}"


def _gpu_key(rank: int) -> str:
    return f"gpu of/{rank}"


def _claim(store: Store, place: Placement, gpu: str) -> None:
    """Have `gpu` for this rank alone; a claim of one that has come again with another is void."""
    store.set(_gpu_key(place.rank), gpu)
    me, held = str(place.rank), ""
    while (holder := store.compare_set(f"rank on/{gpu}", held, me).decode()) != me:
        if store.get(_gpu_key(int(holder))).decode() == gpu:
            raise _shared(gpu, store, place, int(holder))
        held = holder


def _shared(gpu: str, store: Store, place: Placement, holder: int) -> UnfitNodeError:
    me, other = (f"rank {rank} on {host_of(store, rank)}" for rank in (place.rank, holder))
    return UnfitNodeError(
        f"{me} and {other} have the same GPU, {gpu}",
        allowed="one for each rank",
        fix="look for one that is missing (nvidia-smi -L, and dmesg for Xid), or take other nodes; "
        "if ranks are to share it, start fewer",
        unfit_node=place.unfit_for_lack_of_gpus,
    )


def _await_terms(store: Store, patience: Patience) -> None:
    while not store.check(["terms"]):
        _refuse_if_lost(store)
        patience.wait("rank 0 to say its terms")


def _refuse_if_lost(store: Store) -> None:
    if (loss := told_loss(store)) is not None:
        raise loss.error(fix="see to that rank first; its log has the reason")


def _named(ranks: Sequence[int]) -> str:
    more = [f"{len(ranks) - NAMED_RANKS} more"] if len(ranks) > NAMED_RANKS else []
    return ", ".join([*map(str, ranks[:NAMED_RANKS]), *more])
