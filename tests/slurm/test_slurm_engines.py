"""slurm/train.sh under podman and docker on a real cluster: what reaches the job, and its end."""

from pathlib import Path

import pytest

from slurm_cluster import wait_until
from slurm_engines import ContainedJob, Engine
from slurm_events import ALL_GPUS, cancel, signal_step
from slurm_job import Job, submit
from slurm_user import NAME

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.timeout(900)


def start(engine: Engine, **settings: str) -> ContainedJob:
    """A job in a container, on the clone's data, whose folder it is to find elsewhere."""
    job = submit(
        engine.user, "train.sh", ALL_GPUS, JOB_DATA_DIR="data", **engine.settings, **settings
    )
    return ContainedJob(job.user, job.id, job.output)


def warn(job: Job) -> None:
    """What `#SBATCH --signal` does before the time limit: the script gets it, and nobody else."""
    job.user.run("scancel", "--batch", "--signal=USR1", job.id)


def variables(job: Job, node: str) -> set[str]:
    """What the process in the container has been given."""
    (process,) = job.processes(node)
    return set(Path(f"/proc/{process}/environ").read_text().split("\0"))


def test_warned_job_in_a_container_goes_on_to_the_same_weights(
    engine: Engine, uninterrupted: Job
) -> None:
    """The GPUs that Slurm gave, settings and folders get in; signals do, and the 75 gets out."""
    job = start(engine)
    with job.held_in_training() as node:
        assert variables(job, node) >= engine.gpus
        warn(job)

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    assert [attempt["exit_code"] for attempt in job.attempts] == [75, 0], job.log
    assert job.attempts[0]["ended"] == "stopped by SIGUSR1"
    assert job.weights == uninterrupted.weights


def test_stopped_container_ends_with_the_code_of_its_job(
    engine: Engine, uninterrupted: Job
) -> None:
    """SIGTERM to the step alone, at which podman itself leaves with 0: 75, and the job goes on."""
    job = start(engine)
    with job.held_in_training() as node:
        signal_step(job, node)

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    assert [attempt["exit_code"] for attempt in job.attempts] == [75, 0], job.log
    assert job.weights == uninterrupted.weights
    assert not engine.containers


def test_results_in_a_container_are_the_user_s(engine: Engine) -> None:
    """They are written by a user that the image does not know, and can be deleted by that user."""
    job = start(engine, JOB_EPOCHS="1")

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    written = [job.output, *job.output.rglob("*")]
    assert {path.owner() for path in written} == {NAME}
    engine.user.run("rm", "--recursive", job.output)


def test_cancelled_job_in_a_container_saves_and_leaves_none(engine: Engine) -> None:
    """`scancel` reaches the job in time to save; the container is gone, and stays away."""
    job = start(engine)
    with job.held_in_training() as node:
        cancel(job, node)

    assert job.await_end()["JobState"] == "CANCELLED"
    wait_until("the end of the container", lambda: not engine.containers)
    assert [attempt["exit_code"] for attempt in job.attempts] == [75], job.log
    assert "the end was decided outside" in job.log
