"""What the Slurm tests share: a cluster and its user, one run that nothing happened to, a table."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from slurm_engines import Engine, docker, podman, ready_for_engines
from slurm_events import INTERRUPTIONS, Interrupted, Note, interrupt, row, table
from slurm_image import stand_in
from slurm_job import Job, submit_bare
from slurm_user import User, user_of_a_cluster

ROWS: Final = pytest.StashKey[list[tuple[str, ...]]]()


@pytest.fixture(scope="session")
def user() -> Iterator[User]:
    """The user of a cluster of four nodes."""
    with user_of_a_cluster(nodes=4) as user:
        yield user


@pytest.fixture(scope="session")
def warned_user() -> Iterator[User]:
    """The user of a cluster that sends the warning before it preempts, too."""
    with user_of_a_cluster(nodes=1, extra="SlurmctldParameters=preempt_send_user_signal") as user:
        yield user


@pytest.fixture(scope="session")
def image_user() -> Iterator[User]:
    """The user of a cluster whose nodes have an image."""
    with user_of_a_cluster(nodes=2, image=stand_in) as user:
        yield user


@pytest.fixture(scope="session")
def engine_user() -> Iterator[User]:
    """The user of a cluster of one node that is ready for podman and docker."""
    with user_of_a_cluster(nodes=1, image=ready_for_engines) as user:
        yield user


@pytest.fixture(scope="module", params=[podman, docker], ids=["podman", "docker"])
def engine(request: pytest.FixtureRequest, engine_user: User) -> Iterator[Engine]:
    """Each of the engines that start a container for a task."""
    with request.param(engine_user) as engine:
        yield engine


@pytest.fixture(scope="session")
def uninterrupted(user: User) -> Job:
    """The job as `slurm/train.sh` runs it from a bare environment, with nothing in between."""
    job = submit_bare(user, "train.sh")
    job.await_end()
    return job


@pytest.fixture(scope="session")
def interrupted(user: User) -> Interrupted:
    """A job for each interruption, all at once, because most of their time is waiting."""
    with ThreadPoolExecutor(len(INTERRUPTIONS)) as pool:
        jobs = {name: pool.submit(interrupt, user, each) for name, each in INTERRUPTIONS.items()}
    user.cluster.restore()
    return jobs


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Enters what happened to a job, and became of its weights, into the table at the end."""
    rows = request.config.stash.setdefault(ROWS, [])
    return lambda event, job, weights: rows.append(row(event, job, weights))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if rows := terminalreporter.config.stash.get(ROWS, []):
        terminalreporter.section("what happened to the jobs")
        terminalreporter.write_line(table(rows))
