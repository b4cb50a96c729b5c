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


def test_image_under_charliecloud_trains_on_two_nodes(image_user: User, uninterrupted: Job) -> None:
    """An ordinary user runs the container's entrypoint, and results and settings find their way."""
    image = str(image_user.cluster.folder / IMAGE)
    runtime = {"JOB_RUNTIME": "charliecloud", "JOB_IMAGE": image, "JOB_DATA_DIR": "data"}

    job = submit(image_user, "train-multi-node.sh", **ONE_THREAD, **runtime, JOB_EPOCHS="10")

    assert job.await_end()["JobState"] == "COMPLETED", job.log
    assert '"output": "/output"' in job.log
    assert '"size": 4, "nodes": 2' in job.log
    assert job.losses(10) == pytest.approx(uninterrupted.losses(10), rel=1e-5)
