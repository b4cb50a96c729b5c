"""Asked to stop in any way, at any time, however often, a run leaves what it can go on from."""

import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

import scale
from conftest import small_job_command
from job import checkpoint
from job.data.spec import DatasetSpec
from job.session import CHECKPOINTS
from job.stop import SIGNALS
from proof import Proof
from small_run import FLAGS, SmallRun, Whole, await_that
from warm import Attempt, Warm

pytest_plugins = ["crash_fixtures"]

STOPS: Final = scale.of(quick=25, full=1_000)
SPANS: Final = (0.05, 0.3, 2.0)  # of the time that an attempt takes from end to end
PAUSE_SECONDS: Final = 0.02  # between two signals, which is about what a save takes

# The events that the log must have by then.
PHASES: Final[dict[str, list[str]]] = {
    "check of the node": [],
    "reading of the data": ["device"],
    "training": ["device", "data", "checkpoint"],
    "delivery": ["device", "data", "epoch", "epoch", "epoch"],
}


def test_signals_at_any_time_cost_nothing(
    warm: Warm, proof: Proof, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """One to three of any kind: 75, with the reached step durable; the results are the same."""
    while proof.done["stops"] < STOPS:
        run = SmallRun(warm, small_data[0], tmp_path / f"output-{proof.done['runs']}")
        while proof.done["stops"] < STOPS and _is_stopped(run, proof, whole.seconds):
            proof.count("stops")
        run.finish()
        assert run.results() == whole.results
        proof.count("runs")


def _is_stopped(run: SmallRun, proof: Proof, seconds: float) -> bool:
    """Whether an attempt was stopped before it could finish the run."""
    attempt = run.start()
    await_that(lambda: catches(attempt.pid, signal.SIGTERM), attempt)
    time.sleep(proof.choose.uniform(0, proof.choose.choice(SPANS) * seconds))
    for number in proof.choose.choices(SIGNALS, k=proof.choose.randint(1, 3)):
        attempt.kill(number)
        time.sleep(proof.choose.uniform(0, PAUSE_SECONDS))
    ended = attempt.wait()
    assert ended.returncode in {0, 75}, attempt.log.read_text()
    if ended.returncode == 75:
        require_durable(run, attempt)
    return ended.returncode == 75


def require_durable(run: SmallRun, attempt: Attempt) -> None:
    """The checkpoint that it tells at its end is the one that a restart goes on from."""
    *_, before, last = [{}, *attempt.events()]
    found = checkpoint.latest(run.output / CHECKPOINTS)
    assert last["checkpoint"] == (str(found.folder) if found else ""), last
    if before.get("event") == "stopping":  # while it trained, so that there is a step to keep
        assert found is not None
        assert before["step"] == found.step


@pytest.mark.parametrize("phase", PHASES)
def test_two_stops_in_each_phase_cost_nothing(
    warm: Warm, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path, phase: str
) -> None:
    """75 with what was reached durable, or all is delivered; the results are the same."""
    run = SmallRun(warm, small_data[0], tmp_path / "output")
    attempt = run.start()
    await_that(lambda: catches(attempt.pid, signal.SIGTERM), attempt)
    await_that(lambda: Counter(PHASES[phase]) <= Counter(names_of(attempt)), attempt)
    for _ in range(2):
        attempt.kill(signal.SIGTERM)

    ended = attempt.wait()
    assert ended.returncode in ({0, 75} if phase == "delivery" else {75}), attempt.log.read_text()
    if ended.returncode == 75:
        require_durable(run, attempt)
    run.finish()
    assert run.results() == whole.results


def test_stop_during_the_imports_costs_nothing(
    proof: Proof, small_data: tuple[Path, DatasetSpec], tmp_path: Path
) -> None:
    """From the first instant at which a new process catches the signal on, the ending is 75."""
    output = tmp_path / "output"
    command = [*small_job_command(small_data), "--output-dir", str(output), *FLAGS]
    while proof.done["stops"] < scale.of(quick=3, full=50):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while not catches(process.pid, signal.SIGTERM):
                time.sleep(0.001)
            time.sleep(proof.choose.uniform(0, 1))
            process.send_signal(signal.SIGTERM)
        assert process.returncode == 75
        assert checkpoint.latest(output / CHECKPOINTS) is None
        proof.count("stops")


def names_of(attempt: Attempt) -> list[str]:
    """The events in the log of an attempt."""
    return [event["event"] for event in attempt.events()]


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = re.findall(r"^SigCgt:\t(\w+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)
