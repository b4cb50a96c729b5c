"""Claims about `job.world.ranks`, with real ranks that talk through gloo over the loopback."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from job.errors import DataError, ExitCode, InterruptedRunError, SettingsError
from job.stop import StopFlag
from job.world import Placement, World, join, ranks
from job.world.loss import Loss, tell_loss, told_loss
from job.world.nccl import HANDLING
from job.world.patience import Patience
from job.world.ranks import Ranks
from job.world.rendezvous import INTERFACE, heard_key, open_store
from rank_processes import Outcome, outcomes, places, started
from world_rank import LIMITS, exchange, go_on

HOST = socket.gethostname()


def _await_meeting(main: subprocess.Popen[str]) -> None:
    """Read what rank 0 says until it says that all are here."""
    assert main.stderr is not None
    said: list[str] = []
    while not said or "ranks have met" not in said[-1]:
        said.append(main.stderr.readline())
        assert said[-1], said[:-1]  # it has ended


def _signal(ranks: Iterable[subprocess.Popen[str]], number: int) -> None:
    """One after the other, and some beats apart."""
    for rank in ranks:
        rank.send_signal(number)
        time.sleep(3 * LIMITS.beat)


def leave_for_good(error: BaseException) -> None:
    """Ending the process of the tests would be a bad way to fail."""
    raise AssertionError(error)


@pytest.fixture(autouse=True)
def _no_group_is_left() -> Iterator[None]:
    """A rank in the process of the tests, which a job would end."""
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def joined(place: Placement, stop: StopFlag | None = None) -> World:
    """A rank in the process of the tests."""
    cpu = torch.device("cpu")
    return join(place, cpu, stop or StopFlag(), limits=LIMITS, leave=leave_for_good)


@pytest.fixture(scope="module", params=[2, 4])
def exchanged(request: pytest.FixtureRequest) -> list[Outcome]:
    """What as many ranks saw that made each call once."""
    return outcomes(request.param, "exchange")


def test_all_ranks_hear_the_same(exchanged: list[Outcome]) -> None:
    """Sums are of all ranks, what is broadcast is rank 0's, and any rank can raise a flag."""
    size = len(exchanged)
    total = size * (size + 1) / 2

    assert [rank.code for rank in exchanged] == [0] * size
    for rank in exchanged:
        assert rank.said["sum"] == [total, 10 * total]
        assert rank.said["broadcast"] == [1, 7]
        assert (rank.said["text"], rank.said["no_text"]) == ("häus\n", "")
        assert rank.said["agree"] == [False, True, True]
        assert rank.said["any"] == [False, True]


def test_only_rank_0_says_that_all_have_met(exchanged: list[Outcome]) -> None:
    """The others speak of trouble alone, and each line has its rank's number."""
    main, *others = exchanged

    assert [event["event"] for event in main.events] == ["ranks have met"]
    assert main.events[0]["rank"] == 0
    assert [other.events for other in others] == [[]] * len(others)


@pytest.mark.parametrize(("size", "culprit"), [(4, 2), (2, 0)])
def test_killed_rank_is_named_and_the_others_leave(size: int, culprit: int) -> None:
    """Within seconds, with the code that has them started again, and with the host in the log."""
    ranks = outcomes(size, "kill", culprit)

    assert ranks[culprit].code == -9
    for survivor in ranks[:culprit] + ranks[culprit + 1 :]:
        assert survivor.code == 75
        assert survivor.said["seen"].startswith(f"rank {culprit} on {HOST}: ")
        lost = [event["lost"] for event in survivor.events if event["event"] == "rank lost"]
        assert lost == [survivor.said["seen"]]


@pytest.mark.parametrize("culprit", [0, 1])
def test_frozen_rank_is_found_by_its_silence(culprit: int) -> None:
    """No connection breaks, so that gloo would wait on; the rank that is stuck in it is ended."""
    [survivor] = outcomes(2, "freeze", culprit, frozen=culprit)

    assert survivor.code == 75
    assert survivor.said.keys() == {"at"}  # its main thread came to say nothing
    lost = [event["lost"] for event in survivor.events if event["event"] == "rank lost"]
    assert lost == [f"rank {culprit} on {HOST}: no sign of life"]


@pytest.mark.parametrize("culprit", [0, 1])
def test_rank_that_fails_leaves_first_and_is_named(culprit: int) -> None:
    """The others end as it does, since a scheduler would take their 75 for the job's code."""
    ranks = outcomes(2, "fail", culprit)
    failed, survivor = ranks[culprit], ranks[1 - culprit]

    assert (failed.code, survivor.code) == (65, 65)
    assert survivor.said["seen"] == f"rank {culprit} on {HOST}: DataError('mine is torn')"
    assert failed.said["at"] < survivor.said["at"]


def test_suspended_ranks_go_on_when_they_are_woken() -> None:
    """As Slurm suspends a job, or `docker pause`: for longer than a silent rank is waited for.

    Rank 0, the last to be stopped and the first to be woken, sees the other in its old place.
    """
    with started(places(2), "persist") as ranks:
        _await_meeting(ranks[0])
        _signal(reversed(ranks), signal.SIGSTOP)
        time.sleep(1.5 * LIMITS.silence)
        _signal(ranks, signal.SIGCONT)
        ends = [rank.communicate(timeout=60) for rank in ranks]

    assert [rank.returncode for rank in ranks] == [0, 0], ends


def test_ranks_that_share_a_gpu_end_before_they_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is unfit, whichever of them finds out; a scheduler tries both of them elsewhere."""
    monkeypatch.setenv("RANK_GPU", "GPU-5")
    unfit, told = sorted(outcomes(2, "exchange"), key=lambda rank: rank.code)

    assert (unfit.code, told.code) == (69, 75)
    assert "have the same GPU, GPU-5" in unfit.said["seen"]
    assert unfit.said["seen"] in told.said["seen"]


@pytest.mark.parametrize(("deed", "code"), [("stop", 75), ("dawdle", 0)])
def test_ranks_wait_for_each_other_before_they_leave(deed: str, code: int) -> None:
    """One that leaves early makes launchers kill the one that still saves."""
    main, other = outcomes(2, deed, culprit=1)

    assert (main.code, other.code) == (code, code)
    assert abs(main.said["at"] - other.said["at"]) < 1.0
    assert other.events == []


@pytest.mark.parametrize("rank", [0, 1])
def test_world_of_two_is_left_as_it_was_entered(rank: int) -> None:
    """The tests' process is the one rank, another process the other."""
    placed = places(2)
    with started([placed[1 - rank]], "exchange"), joined(placed[rank]) as world:
        said = exchange(world, 0)
        assert (world.rank, world.size, world.is_main) == (rank, 2, rank == 0)
    assert said["sum"] == [3.0, 30.0]
    assert not dist.is_initialized()


def test_host_that_others_would_not_find_is_told_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they look for it where gloo would send them: at a loopback."""
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    monkeypatch.delenv(INTERFACE, raising=False)
    world = joined(replace(places(2)[0], nodes=2, master_address="gpu1"))
    with pytest.raises(SettingsError, match="loopback"):
        world.__enter__()

    assert "SettingsError" in str(told_loss(world._store))  # type: ignore[attr-defined]


def test_loss_is_known_to_who_asks() -> None:
    """After it every call fails at once, so that nothing of a broken step is saved."""
    placed = places(2)
    with started([placed[1]], "kill", culprit=1):
        world = joined(placed[0]).__enter__()
        losses = [world.loss]
        with pytest.raises(InterruptedRunError, match=f"rank 1 on {HOST}"):
            go_on(world)
        assert [*losses, world.loss] == [None, f"rank 1 on {HOST}: no sign of life"]
        with pytest.raises(InterruptedRunError, match="rank 1"):
            world.any(False)


def test_loss_ends_a_world_whose_connections_hold() -> None:
    """NCCL would wait in the next call; the rank that was lost need be none that it waits for."""
    placed = places(2)
    with started([placed[1]], "freeze", culprit=1):
        world = joined(placed[0]).__enter__()
        tell_loss(world._store, Loss("rank 7 on x: DataError"))  # type: ignore[attr-defined]
        until = time.monotonic() + 10
        while world.loss is None and time.monotonic() < until:
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(InterruptedRunError, match="rank 7 on x"):
            world.sum(torch.ones(3))
    assert time.monotonic() - began < 2.0


def test_own_error_comes_through_and_is_told() -> None:
    """Leaving a world hides no error."""
    placed = places(2)
    with started([placed[1]], "kill", culprit=0) as [other]:
        with pytest.raises(DataError, match="torn"), joined(placed[0]):
            raise DataError("torn")
        assert f"rank 0 on {HOST}: DataError('torn')" in other.communicate(timeout=60)[1]


def test_stop_comes_through_though_the_others_are_gone() -> None:
    """What ends a run is the stop, not that nobody is left to wait for."""
    placed, stopped = places(2), InterruptedRunError("stopped by SIGTERM")
    with started([placed[1]], "kill", culprit=1) as [other]:
        world = joined(placed[0]).__enter__()
        other.wait(60)
        world.__exit__(InterruptedRunError, stopped, None)


def test_rank_0_that_is_stopped_because_another_one_failed_knows_the_unfit_node() -> None:
    """A launcher stops the ranks beside one that has heard of it, and rank 0 writes the ledger."""
    stop, (main, other) = StopFlag(), places(2)

    def fail_elsewhere() -> None:
        store = open_store(other, Patience(60.0, StopFlag()), LIMITS)
        store.wait(["here/0"])
        time.sleep(0.5)  # rank 0 looks seldom by now
        tell_loss(store, Loss("rank 1 on b", ExitCode.UNFIT_NODE, "gpu2"))
        stop.request("SIGTERM")
        store.set(heard_key(1), "yes")

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(fail_elsewhere)
        with pytest.raises(InterruptedRunError) as caught:
            joined(main, stop).__enter__()
        failing.result()

    assert caught.value.unfit_node == "gpu2"


def test_failures_of_nccl_are_left_to_the_job_before_a_group_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch reads it once, when it opens the group."""
    found: list[str | None] = []

    def note(*_: object, **__: object) -> None:
        found.append(os.environ.get(HANDLING))

    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(dist, "init_process_group", note)
    monkeypatch.setattr(ranks, "uuid_of", lambda _: "GPU-5")
    world = Ranks(places(1)[0], torch.device("cuda"), StopFlag(), LIMITS, leave_for_good)
    world._store = dist.HashStore()  # type: ignore[attr-defined]  # it is documented there
    world._start_group()

    assert found == ["0"]


def test_stop_while_waiting_for_others_is_honoured() -> None:
    """Rank 0 waits alone, and need not wait for long."""
    stop = StopFlag()
    stop.request("SIGTERM")
    with pytest.raises(InterruptedRunError, match=r"SIGTERM while waiting for ranks 1 of 2"):
        joined(places(2)[0], stop).__enter__()
