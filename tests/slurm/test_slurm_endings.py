"""slurm/train.sh on a real cluster: how jobs end, and which of them get another try."""

import json

import pytest

from job.errors import ExitCode
from slurm_events import signal_step
from slurm_job import Job, submit
from slurm_user import NAME, User

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.timeout(900)


def ending(job: Job) -> tuple[str, str, str]:
    """How a job ended once and for all: state, exit code and signal, restarts."""
    facts = job.await_end()
    return facts["JobState"], facts["ExitCode"], facts["Restarts"]


def test_ordinary_user_trains_on_the_gpu_that_slurm_gave(uninterrupted: Job) -> None:
    """One GPU of one node is taken, no environment needed, and the results are the user's."""
    assert ending(uninterrupted) == ("COMPLETED", "0:0", "0")
    assert uninterrupted.facts["TresPerNode"] == "gres:gpu:1"
    assert f'"output": "{uninterrupted.output}"' in uninterrupted.log  # the script's environment
    assert (uninterrupted.output / "metrics.json").owner() == NAME


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        (ExitCode.DATA, {"JOB_DATA_DIR": "slurm", "JOB_DATA_OFFLINE": "true"}),
        (ExitCode.SETTINGS, {"JOB_EPOCH": "3"}),
    ],
)
def test_hopeless_job_ends_with_its_own_code_and_is_not_requeued(
    user: User, code: ExitCode, settings: dict[str, str]
) -> None:
    """What no further attempt can mend is told by the code, and gets none."""
    job = submit(user, "train.sh", **settings)

    assert ending(job) == ("FAILED", f"{int(code)}:0", "0"), job.log


def test_unfit_node_is_excluded_from_the_next_try(user: User) -> None:
    """nvidia-smi shows a GPU that CUDA does not find: other nodes are tried, up to the limit."""
    job = submit(user, "train.sh", JOB_DEVICE="cuda", REQUEUE_LIMIT="2")

    assert ending(job) == ("FAILED", f"{int(ExitCode.UNFIT_NODE)}:0", "2"), job.log
    tried = [attempt["node"] for attempt in job.attempts]
    inspection = json.loads((job.output / "preflight.json").read_text())
    assert [gpu["name"] for gpu in inspection["gpus"]] == ["NVIDIA H100 80GB HBM3"]
    assert len(set(tried)) == 3
    assert job.facts["ExcNodeList"] in (",".join(tried[:2]), f"gpu[{tried[0][3:]}-{tried[1][3:]}]")
    assert "REQUEUE_LIMIT=2 is reached" in job.log


def test_interrupted_job_is_requeued_no_more_often_than_it_may(user: User) -> None:
    """The bound holds for interruptions, too; the checkpoint is durable all the same."""
    job = submit(user, "train.sh", REQUEUE_LIMIT="0")
    with job.held_in_training() as node:
        signal_step(job, node)

    assert ending(job) == ("FAILED", f"{int(ExitCode.INTERRUPTED)}:0", "0")
    assert "REQUEUE_LIMIT=0 is reached" in job.log
    assert any(job.output.glob("checkpoints/*/manifest.json"))


def test_requeued_job_begins_anew_only_once(user: User) -> None:
    """`never` is for the first attempt: the second goes on from what the first has saved."""
    job = submit(user, "train.sh", JOB_RESUME="never", JOB_EPOCHS="30")
    with job.held_in_training() as node:
        signal_step(job, node)

    assert ending(job) == ("COMPLETED", "0:0", "1"), job.log
    assert job.attempts[1]["resumed_from_step"] == job.attempts[0]["step"]
    assert "JOB_RESUME=never was for the first attempt" in job.log
