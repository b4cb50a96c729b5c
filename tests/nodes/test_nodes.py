"""An Indexed Job over two nodes, each with its own network and host name, and a late resolver."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from safetensors.torch import load_file

from conftest import small_job_command
from job.data.spec import DatasetSpec
from job.errors import ExitCode
from job.world.patience import Limits
from pods import MASTER, SIZE, Pods, await_word, host, two_pods

# Kubernetes' DNS remembers for 30 s that it did not know a name.
LATE_SECONDS: Final = 35.0
# Long enough to be interrupted after the first of its checkpoints, one an epoch.
FLAGS: Final = ("--device=cpu", "--learning-rate=0.02", "--epochs=30", "--log-format=json")
LIMITS: Final = Limits()
# Until silence counts as a loss, until a main thread that is stuck is ended, and to notice both.
LEAVE_SECONDS: Final = LIMITS.silence + LIMITS.leave + 5
INDEXED_JOB: Final = {
    "JOB_MASTER_ADDRESS": MASTER,
    "JOB_MASTER_PORT": "29500",
    "OMP_NUM_THREADS": "1",
}

Data = tuple[Path, DatasetSpec]


@dataclass(frozen=True)
class Attempt:
    """The pods of the Job, running or ended."""

    processes: tuple["subprocess.Popen[bytes]", ...]
    logs: tuple[Path, ...]

    def ended(self, seconds: float = 240) -> list[int]:
        """Wait for the exit codes."""
        until = time.monotonic() + seconds
        return [process.wait(until - time.monotonic()) for process in self.processes]

    def events(self, index: int) -> list[dict[str, Any]]:
        """The log of a pod."""
        lines = self.logs[index].read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def event(self, index: int, name: str) -> dict[str, Any]:
        """The first event of this name."""
        return next(event for event in self.events(index) if event["event"] == name)

    def await_training(self) -> None:
        """Wait for the first checkpoint."""
        await_word(self.logs[0], '"event": "epoch"', self.processes[0])


Start = Callable[..., Attempt]
# Of the last epoch's loss, after 300 steps of which one rank does most, with sums that are not cut.
TOLERANCE: Final = 1e-4


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Two pods with nothing in them."""
    with two_pods(tmp_path_factory.mktemp("pods")) as made:
        yield made


@pytest.fixture
def start(pods: Pods, small_data: Data, tmp_path: Path) -> Iterator[Start]:
    """Start the Job over a volume that all pods share; nothing of it outlives the test."""
    command = [*small_job_command(small_data), *FLAGS]
    started: list[Attempt] = []

    def begin(output: Path, nodes: int = SIZE) -> Attempt:
        environ = {**os.environ, **INDEXED_JOB, "JOB_NODES": str(nodes)}
        environ["JOB_OUTPUT_DIR"] = str(output)
        logs = tuple(tmp_path / f"{host(index)}-{len(started)}.log" for index in range(nodes))
        processes = tuple(
            pods.start(index, command, {**environ, "JOB_COMPLETION_INDEX": str(index)}, log)
            for index, log in enumerate(logs)
        )
        started.append(Attempt(processes, logs))
        return started[-1]

    yield begin
    for process in (process for attempt in started for process in attempt.processes):
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def one_host(small_data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The volume of an uninterrupted run of two ranks on one host."""
    output = tmp_path_factory.mktemp("one-host")
    command = [*small_job_command(small_data), *FLAGS, f"--processes-per-node={SIZE}"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "JOB_OUTPUT_DIR": str(output)}
    subprocess.run(command, env=environ, check=True, timeout=240)
    return output


def test_ranks_wait_for_a_name_that_is_unknown_for_35_seconds(
    pods: Pods, start: Start, one_host: Path, tmp_path: Path
) -> None:
    """They say what they wait for, meet, and end with the weights of two ranks on one host."""
    with pods.resolver(LATE_SECONDS) as answers:
        job = start(tmp_path / "volume")
        assert job.ended() == [ExitCode.FINISHED] * SIZE
        words = {line.split()[0] for line in answers.read_text().splitlines()}

    waits = [event for event in job.events(1) if event["event"] == "waiting"]
    assert words == {"ready", "failure", "unknown", "known"}
    assert all(MASTER in event["awaited"] for event in waits)
    assert waits[-1]["seconds"] > 20
    assert _record(tmp_path / "volume")["device"]["nodes"] == SIZE
    assert _distance(tmp_path / "volume", one_host) == 0


def test_cut_link_ends_both_sides_and_the_next_start_goes_on(
    pods: Pods, start: Start, one_host: Path, tmp_path: Path
) -> None:
    """Each names the other within the time of `Limits`; nothing that was durable is lost."""
    output = tmp_path / "volume"
    with pods.resolver(0):
        first = start(output)
        first.await_training()
        pods.cut(1)
        cut_at = time.monotonic()
        codes = first.ended()
        seconds = time.monotonic() - cut_at
        pods.mend(1)
        second = start(output)
        assert second.ended() == [ExitCode.FINISHED] * SIZE

    assert codes == [ExitCode.INTERRUPTED] * SIZE
    assert seconds < LEAVE_SECONDS
    for index, other in ((0, 1), (1, 0)):
        lost = first.event(index, "rank lost")["lost"]
        assert lost == f"rank {other} on {host(other)}: no sign of life"
    assert second.event(0, "resumed")["step"] > 0
    assert _distance(output, one_host) == 0


def test_sigterm_to_one_node_stops_both_at_the_same_step(
    pods: Pods, start: Start, one_host: Path, tmp_path: Path
) -> None:
    """75 with a checkpoint, and not a step is lost; the node that is left can go on alone."""
    output = tmp_path / "volume"
    with pods.resolver(0):
        first = start(output)
        first.await_training()
        first.processes[1].send_signal(signal.SIGTERM)
        assert first.ended(30) == [ExitCode.INTERRUPTED] * SIZE
        second = start(output, nodes=1)
        assert second.ended() == [ExitCode.FINISHED]

    stops = [first.event(index, "stopping") for index in range(SIZE)]
    assert stops[0]["step"] == stops[1]["step"] == second.event(0, "resumed")["step"]
    assert "another rank" in stops[0]["reason"]
    assert "SIGTERM" in stops[1]["reason"]
    assert _last_loss(output) == pytest.approx(_last_loss(one_host), rel=TOLERANCE)


def test_host_that_knows_itself_by_the_loopback_is_told_what_to_set(
    pods: Pods, start: Start, tmp_path: Path
) -> None:
    """As Debian's installer has it; the ranks would look for each other in vain."""
    with pods.resolver(0), pods.own_address(1, "127.0.1.1"):
        job = start(tmp_path / "volume")
        codes = job.ended()
        told = job.logs[1].read_text()

    assert codes == [ExitCode.SETTINGS] * SIZE
    assert "127.0.1.1" in told
    assert "GLOO_SOCKET_IFNAME" in told


def _record(output: Path) -> Any:
    return json.loads((output / "metrics.json").read_text())


def _last_loss(output: Path) -> float:
    return float(_record(output)["history"][-1]["train_loss"])


def _distance(a: Path, b: Path) -> float:
    left, right = (load_file(folder / "model.safetensors") for folder in (a, b))
    return max(float((left[name] - right[name]).abs().max()) for name in left)
