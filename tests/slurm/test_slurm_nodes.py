"""slurm/train-multi-node.sh on a real cluster: two nodes, two tasks each, and gloo between them."""

import os
import re
import signal
from pathlib import Path
from typing import Final

import pytest

from slurm_cluster import wait_until
from slurm_events import Note, preempt
from slurm_image import NAME as IMAGE
from slurm_job import Job, submit
from slurm_user import User

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.timeout(900)

# On one node of the first attempt, and there ever after, tasks insist on a GPU, which is not there.
PYTHON: Final = """\
#!/bin/sh
set -eu
unfit=unfit/$SLURMD_NODENAME
if [ "${{SLURM_RESTART_COUNT:-0}}/$SLURM_NODEID" = 0/{number} ]; then mkdir -p "$unfit"; fi
if [ -d "$unfit" ]; then export JOB_DEVICE=cuda; fi
cd {clone}
exec {clone}/.venv/bin/python "$@"
"""
# Four processes share the processors of one machine here.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1"}


def test_run_on_two_nodes_survives_a_preemption_and_equals_one_process(
    user: User, uninterrupted: Job, note: Note
) -> None:
    """All ranks stop at one step and go on from it, and four of them learn what one does."""
    job = submit(user, "train-multi-node.sh", **ONE_THREAD, JOB_EPOCHS="30")
    with job.held_in_training() as node:
        preempt(job, node)

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    assert [attempt["exit_code"] for attempt in job.attempts] == [75, 0]
    assert job.log.count('"size": 4, "nodes": 2') == 2
    assert job.losses(30) == pytest.approx(uninterrupted.losses(30), rel=1e-5)
    note("preemption of one of two nodes", job, "as one process's, loss within 1e-5")


def test_rank_that_dies_ends_the_run_and_is_named(user: User) -> None:
    """The others do not hang; the highest code of all tasks is that of the kill."""
    job = submit(user, "train-multi-node.sh", **ONE_THREAD, JOB_EPOCHS="500")
    wait_until("a checkpoint", lambda: any(job.output.glob("checkpoints/*/manifest.json")), 300)
    nodes = user.run("scontrol", "show", "hostnames", job.facts["NodeList"]).split()

    victim = job.processes(nodes[1])[0]
    rank = re.findall(r"SLURM_PROCID=(\d+)", Path(f"/proc/{victim}/environ").read_text())[0]

    os.kill(victim, signal.SIGKILL)

    facts = job.await_end()
    assert (facts["JobState"], facts["ExitCode"], facts["Restarts"]) == ("FAILED", "137:0", "0")
    assert f"rank {rank} on {nodes[1]}" in job.log
    assert [attempt["exit_code"] for attempt in job.attempts] == [75]


def project_with_unfit_node(user: User, number: int) -> Path:
    """A folder to submit from; of the job's nodes, the one with this number will be unfit."""
    project = user.home / f"node-{number}-is-unfit"
    python = project / ".venv" / "bin" / "python"
    user.run("mkdir", "--parents", python.parent)
    python.write_text(PYTHON.format(number=number, clone=user.clone))
    python.chmod(0o755)
    return project


@pytest.mark.parametrize(("number", "code"), [(0, 69), (1, 75)])
def test_unfit_node_of_two_is_excluded_from_the_next_attempt(
    user: User, number: int, code: int
) -> None:
    """Be it that of rank 0, which writes the ledger, or the other; the run ends on fit nodes."""
    project = project_with_unfit_node(user, number)
    where = (f"--chdir={project}", f"--output={user.clone}/slurm-%j.out")
    settings = ONE_THREAD | {"JOB_EPOCHS": "3", "REQUEUE_LIMIT": "1"}
    job = submit(user, "train-multi-node.sh", *where, **settings)

    facts = job.await_end()
    (unfit,) = [folder.name for folder in (project / "unfit").iterdir()]
    assert (facts["JobState"], facts["Restarts"]) == ("COMPLETED", "1"), job.log
    assert facts["ExcNodeList"] == unfit
    ended = [(attempt["exit_code"], attempt["unfit_node"]) for attempt in job.attempts]
    assert ended == [(code, unfit), (0, None)]


def test_image_under_charliecloud_trains_on_two_nodes(image_user: User, uninterrupted: Job) -> None:
    """An ordinary user runs the container's entrypoint, and results and settings find their way."""
    image = str(image_user.cluster.folder / IMAGE)
    runtime = {"JOB_RUNTIME": "charliecloud", "JOB_IMAGE": image, "JOB_DATA_DIR": "data"}

    job = submit(image_user, "train-multi-node.sh", **ONE_THREAD, **runtime, JOB_EPOCHS="10")

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    assert '"output": "/output"' in job.log
    assert '"size": 4, "nodes": 2' in job.log
    assert job.losses(10) == pytest.approx(uninterrupted.losses(10), rel=1e-5)
