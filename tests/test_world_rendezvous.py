"""Claims about `job.world.rendezvous`, with a real store on the loopback."""

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import pytest
from torch.distributed.distributed_c10d import Store

from job.errors import InterruptedRunError, JobError, SettingsError, UnfitNodeError
from job.launch.launcher import free_port
from job.stop import StopFlag
from job.world import Placement
from job.world.loss import Loss, tell_loss
from job.world.patience import Limits, Patience
from job.world.placement import LOOPBACK, Node
from job.world.rendezvous import (
    INTERFACE,
    Resolve,
    await_master,
    host_of,
    meet,
    open_store,
    require_own_address,
)
from rank_processes import places

LIMITS = Limits(silence=5.0)
HOST = socket.gethostname()
# Of another host, and thus none that this one can bind to: reserved for documentation.
ELSEWHERE: Final = "203.0.113.7"
# Besides the loopback, the only one that any host can bind to.
ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # nothing listens there
NODE: Final = Node(1, 2, "gpu1", 29_500, "test").placement(0, 1)


def patience(seconds: float = 20.0, stop: StopFlag | None = None) -> Patience:
    """Enough for ranks of one process."""
    return Patience(seconds, stop or StopFlag())


def unknown_for(tries: int) -> tuple[Resolve, list[str]]:
    """A name server that learns a name late, and what it was asked for."""
    asked: list[str] = []

    def resolve(name: str) -> Sequence[Any]:
        asked.append(name)
        if len(asked) <= tries:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known_by(LOOPBACK)(name)

    return resolve, asked


def known_by(*addresses: str) -> Resolve:
    """What this host finds for its own name."""
    return lambda _: [
        found
        for address in addresses
        for found in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    ]


def opened(place: Placement) -> Store:
    """The store as this rank sees it."""
    return open_store(place, patience(), LIMITS)


def met(
    placed: list[Placement], device_types: list[str], gpus: Sequence[str | None] = (None,) * 9
) -> list[JobError | None]:
    """What each rank that meets the others, each in its thread, is refused for."""

    def come(place: Placement, device_type: str, gpu: str | None) -> JobError | None:
        try:
            meet(stores[place.rank], place, device_type, patience(3.0), gpu)
        except JobError as error:
            tell_loss(stores[place.rank], Loss(error.seen, error.exit_code))
            return error
        return None

    stores = {place.rank: opened(place) for place in placed}
    with ThreadPoolExecutor(len(placed)) as pool:
        return list(pool.map(come, placed, device_types, gpus))


def test_name_of_rank_0_may_become_known_late() -> None:
    """It is asked for again and again, because a name server may remember that it was unknown."""
    resolve, asked = unknown_for(4)
    place = places(1)[0]
    with socket.create_server((LOOPBACK, place.master_port)):
        await_master(place, patience(), resolve)

    assert asked == [LOOPBACK] * 5


def test_name_that_stays_unknown_is_told() -> None:
    """The error has the name, and what the resolver said of it."""
    resolve, _ = unknown_for(1000)
    with pytest.raises(InterruptedRunError) as caught:
        await_master(places(1)[0], patience(0.3), resolve)

    assert f"the name {LOOPBACK} to be known" in caught.value.seen
    assert "Name or service not known" in caught.value.seen


def test_rank_0_may_answer_late() -> None:
    """Its container may still be starting when its name is known."""
    place = places(1)[0]
    listeners: list[socket.socket] = []

    def listen() -> None:
        listeners.append(socket.create_server((LOOPBACK, place.master_port)))

    timer = threading.Timer(0.6, listen)
    timer.start()
    began = time.monotonic()
    await_master(place, patience())
    timer.join()
    listeners[0].close()

    assert time.monotonic() - began >= 0.5


def test_rank_0_that_never_answers_is_told() -> None:
    """With its address, so that a firewall or a wrong name is thought of."""
    place = places(1)[0]
    with pytest.raises(InterruptedRunError, match=f"at {LOOPBACK}:{place.master_port}"):
        await_master(place, patience(0.3))


def test_stop_ends_the_wait_for_rank_0() -> None:
    """A pod that is taken away while it waits leaves at once."""
    stop = StopFlag()
    threading.Timer(0.3, stop.request, ["SIGTERM"]).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        await_master(places(1)[0], patience(60.0, stop))

    assert time.monotonic() - began < 2.0


def test_port_that_is_taken_is_waited_for() -> None:
    """The attempt before may still be leaving."""
    place = places(1)[0]
    taken = socket.create_server(("", place.master_port), family=socket.AF_INET)
    threading.Timer(0.5, taken.close).start()
    store = opened(place)
    store.set("key", "value")

    assert store.get("key") == b"value"


def test_port_that_stays_taken_is_told() -> None:
    """With its number."""
    place = places(1)[0]
    with (
        socket.create_server(("", place.master_port)),
        pytest.raises(InterruptedRunError, match=f"in vain for port {place.master_port}"),
    ):
        open_store(place, patience(0.3), LIMITS)


def test_store_of_torchruns_agent_serves_each_attempt_anew() -> None:
    """Rank 0 opens none then, and what was said in the first attempt is gone in the second."""
    agent, *_ = places(1)
    held = opened(replace(agent, attempt=7))
    first, second = (replace(agent, store_is_there=True, attempt=each) for each in (0, 1))
    opened(first).set("key", "value")

    assert opened(first).check(["key"])
    assert not opened(second).check(["key"])
    assert not held.check(["key"])


def test_ranks_of_one_mind_meet() -> None:
    """All know each other's hosts then."""
    placed = places(3)
    assert met(placed, ["cpu"] * 3) == [None] * 3


def test_rank_that_was_told_otherwise_is_refused() -> None:
    """Nodes with unlike numbers of ranks would wait for each other in vain; both are told."""
    two, three = ([replace(place, counted=False) for place in places(size)] for size in (2, 3))
    third = replace(three[2], master_port=two[0].master_port)
    refused = met([two[0], third], ["cpu", "cpu"])

    assert isinstance(refused[1], SettingsError)
    assert refused[1].seen == f"rank 2 on {HOST} is one of 3, and rank 0 on {HOST} one of 2"
    assert isinstance(refused[0], SettingsError)
    assert refused[0].seen == refused[1].seen


def test_rank_on_another_device_is_refused() -> None:
    """A node that lost its GPU would train on its CPU, and all others wait for it."""
    refused = met(places(2), ["cuda", "cpu"])

    assert isinstance(refused[1], UnfitNodeError)
    assert refused[1].seen == f"rank 1 on {HOST} has cpu, and rank 0 on {HOST} has cuda"
    assert isinstance(refused[0], InterruptedRunError)


def test_ranks_that_have_one_gpu_are_refused() -> None:
    """NCCL would refuse it, too, and not say whose; the one that came later is told both."""
    refused = met(places(2), ["cuda"] * 2, ["GPU-5"] * 2)
    [error] = [each for each in refused if isinstance(each, UnfitNodeError)]
    [other] = [each for each in refused if isinstance(each, InterruptedRunError)]

    pairs = [f"rank {me} on {HOST} and rank {1 - me} on {HOST}" for me in (0, 1)]
    assert error.seen in {f"{pair} have the same GPU, GPU-5" for pair in pairs}
    assert "nvidia-smi -L" in error.fix
    assert other.seen == error.seen
    assert error.unfit_node == HOST


def test_ranks_with_gpus_of_their_own_meet() -> None:
    """However many there are."""
    assert met(places(3), ["cuda"] * 3, ["GPU-5", "GPU-6", "GPU-7"]) == [None] * 3


def test_rank_that_comes_twice_finds_its_gpu_its_own() -> None:
    """It was started anew on the same GPU, or on another and leaves the first to who has it now."""
    one, two, _ = placed = places(3)
    stores = [opened(place) for place in placed]

    def come(place: Placement, gpu: str) -> None:
        with pytest.raises(InterruptedRunError, match="2 of 3"):
            meet(stores[place.rank], place, "cuda", patience(0.3), gpu)

    for place, gpu in ((one, "GPU-5"), (two, "GPU-6"), (two, "GPU-6"), (two, "GPU-7")):
        come(place, gpu)
    come(one, "GPU-6")
    with pytest.raises(UnfitNodeError, match=f"rank 1 on {HOST} and rank 0 on {HOST}"):
        meet(stores[1], two, "cuda", patience(0.3), "GPU-6")


@pytest.mark.parametrize(
    "resolve",
    [known_by("127.0.1.1", ELSEWHERE), known_by(ELSEWHERE, "::1"), known_by(), unknown_for(9)[0]],
    ids=["Debian's", "another host's", "none", "unknown"],
)
def test_host_that_knows_itself_by_the_loopback_alone_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, resolve: Resolve
) -> None:
    """The others would look for it at their own loopback, and wait in vain."""
    monkeypatch.delenv(INTERFACE, raising=False)
    with pytest.raises(SettingsError, match=HOST) as caught:
        require_own_address(NODE, patience(), resolve)

    assert INTERFACE in caught.value.fix


def test_host_with_an_address_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that it can bind to counts, wherever the loopback stands in the list."""
    monkeypatch.delenv(INTERFACE, raising=False)
    require_own_address(NODE, patience(), known_by(ELSEWHERE, ANY_ADDRESS, LOOPBACK))


@pytest.mark.parametrize("master", ["127.0.0.1", "localhost"])
def test_ranks_of_one_host_meet_on_the_loopback(
    monkeypatch: pytest.MonkeyPatch, master: str
) -> None:
    """On one node, or on several that are played on one host, as for a trial."""
    monkeypatch.delenv(INTERFACE, raising=False)
    require_own_address(replace(NODE, nodes=1), patience(), known_by(LOOPBACK))
    require_own_address(replace(NODE, master_address=master), patience(), known_by(LOOPBACK))


def test_interface_that_is_named_is_not_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gloo does not ask for the name then."""
    monkeypatch.setenv(INTERFACE, "eth0")
    require_own_address(NODE, patience(), known_by(LOOPBACK))


def test_ranks_that_do_not_come_are_named() -> None:
    """The first of them, if they are many."""
    place = places(12)[0]
    with pytest.raises(InterruptedRunError, match="ranks 1, 2, 3, 4, 5, 6, 7, 8, 3 more of 12"):
        meet(opened(place), place, "cpu", patience(0.3))


def test_rank_waits_for_what_rank_0_has_to_say() -> None:
    """The store of torchrun is there before any rank is."""
    agent = places(2)[1]
    held = open_store(replace(agent, rank=0), patience(), LIMITS)
    assert not held.check(["terms"])
    with pytest.raises(InterruptedRunError, match="rank 0 to say its terms"):
        meet(opened(agent), agent, "cpu", patience(0.3))


def test_rank_that_comes_twice_is_one_rank() -> None:
    """It was started anew while it waited, and the others have not all come yet."""
    placed = places(3)
    held, again = opened(placed[0]), opened(placed[1])
    for rank in (placed[0], placed[1], placed[1]):
        with pytest.raises(InterruptedRunError, match="2 of 3"):
            meet(held if rank.is_main else again, rank, "cpu", patience(0.3))


def test_host_whose_name_server_is_silent_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That passes, and says nothing about the loopback."""
    monkeypatch.delenv(INTERFACE, raising=False)
    asked = []

    def resolve(name: str) -> Sequence[Any]:
        asked.append(name)
        if len(asked) < 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known_by(ANY_ADDRESS)(name)

    require_own_address(NODE, patience(), resolve)
    assert len(asked) > 3


def test_rank_that_has_not_come_has_no_name() -> None:
    """Nobody knows its host."""
    assert host_of(opened(places(1)[0]), 5) == "?"


def test_free_port_is_free() -> None:
    """Nothing else listens there."""
    socket.create_server((LOOPBACK, free_port())).close()
