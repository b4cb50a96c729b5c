"""A run that is killed at any time, any number of times, ends as one that never was."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

import scale
from conftest import small_job_command
from job.data.spec import DatasetSpec
from proof import Proof
from small_run import FLAGS, PATIENT, SmallRun, Whole, results_in
from warm import Warm

pytest_plugins = ["crash_fixtures"]

KILLS: Final = scale.of(quick=200, full=2_000)
# Of the time that an attempt takes from end to end; most of it is the delivery.
SPANS: Final = (0.15, 0.15, 0.3, 0.6, 1.5)
# On busy cores the pauses grow with the run that they are shares of.
TIMEOUT_SECONDS: Final = scale.of(quick=900, full=7_200)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_killed_runs_end_as_one_that_was_not(
    warm: Warm, proof: Proof, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """Weights, history and evaluation are the same; no step that was durable is lost again."""
    while proof.done["kills"] < KILLS:
        run = SmallRun(warm, small_data[0], tmp_path / f"output-{proof.done['runs']}")
        while proof.done["kills"] < KILLS and _is_killed(run, proof, whole.seconds):
            proof.count("kills")
        run.finish()
        assert run.results() == whole.results
        proof.count("runs")


def _is_killed(run: SmallRun, proof: Proof, seconds: float) -> bool:
    """Whether an attempt was killed before it could finish the run."""
    before, attempt = run.durable_step(), run.start()
    time.sleep(proof.choose.uniform(0, proof.choose.choice(SPANS) * seconds))
    attempt.kill()
    ended = attempt.wait()
    assert ended.returncode in {0, -signal.SIGKILL}, attempt.log.read_text()
    assert run.durable_step() >= before
    run.require_whole()
    return ended.returncode != 0


def test_killed_new_processes_end_as_one_that_was_not(
    proof: Proof, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """The same with the whole program, from its interpreter's start and the import of torch on."""
    output = tmp_path / "output"
    command = [*small_job_command(small_data), "--output-dir", str(output), *FLAGS]
    environment = {**os.environ, **PATIENT, "OMP_NUM_THREADS": "1"}
    while proof.done["kills"] < scale.of(quick=4, full=60):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            time.sleep(proof.choose.uniform(0, 5))
            process.kill()
        proof.count("kills")
        if process.returncode == 0:
            assert results_in(output) == whole.results
            shutil.rmtree(output)

    subprocess.run(command, env=environment, check=True)
    assert results_in(output) == whole.results
