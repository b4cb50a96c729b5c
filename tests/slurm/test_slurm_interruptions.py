"""slurm/train.sh on a real cluster: whatever comes in between, the run ends as if nothing had."""

import pytest

from slurm_events import (
    INTERRUPTIONS,
    Interrupted,
    Interruption,
    Note,
    cancel,
    compared,
    interrupt,
    lose_power,
    preempt,
    signal_step,
)
from slurm_job import Job, submit
from slurm_user import User

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.timeout(900)  # the first test waits for jobs that all of them share


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_interrupted_job_is_requeued_and_ends_with_the_same_weights(
    interrupted: Interrupted, uninterrupted: Job, note: Note, name: str
) -> None:
    """It saves, is requeued once, goes on, and the weights are those of an uninterrupted run."""
    job = interrupted[name].result()

    note(name, job, compared(job, uninterrupted))
    killed = INTERRUPTIONS[name].event is lose_power
    assert [each["exit_code"] for each in job.attempts] == [None if killed else 75, 0], job.log
    assert job.attempts[1]["resumed_from_step"] > 0
    assert (job.facts["JobState"], job.facts["Restarts"]) == ("COMPLETED", "1")
    assert job.weights == uninterrupted.weights


def test_site_that_warns_before_preemption_asks_the_script(
    warned_user: User, uninterrupted: Job, note: Note
) -> None:
    """With preempt_send_user_signal the script is asked first, and requeues the job itself."""
    job = interrupt(warned_user, Interruption(preempt))

    event = "preemption, GraceTime=10, preempt_send_user_signal"
    note(event, job, compared(job, uninterrupted))
    assert [attempt["ended"] for attempt in job.attempts] == ["stopped by SIGUSR1", "finished"]
    assert (job.facts["JobState"], job.facts["Restarts"]) == ("COMPLETED", "1")
    assert job.weights == uninterrupted.weights


def test_cancelled_job_saves_and_does_not_come_back(user: User, note: Note) -> None:
    """`scancel` is final: a requeue by the script would bring the job back to life."""
    job = interrupt(user, Interruption(cancel))

    note("scancel", job, "none")
    assert [attempt["exit_code"] for attempt in job.attempts] == [75]
    assert (job.facts["JobState"], job.facts["Restarts"]) == ("CANCELLED", "0")
    assert "the end was decided outside" in job.log


def test_array_trains_a_seed_per_member_and_requeues_members_alone(
    user: User, uninterrupted: Job
) -> None:
    """The member whose id is also the array's is interrupted, and its neighbours are left alone."""
    array = submit(user, "sweep.sh", "--array=0-3")
    members = [Job(user, f"{array.id}_{seed}", array.output / f"seed-{seed}") for seed in range(4)]
    of_the_array = members[-1]

    with of_the_array.held_in_training() as node:
        assert of_the_array.facts["JobId"] == array.id
        signal_step(of_the_array, node)

    assert {member.await_end()["JobState"] for member in members} == {"COMPLETED"}
    assert [member.facts["Restarts"] for member in members] == ["0", "0", "0", "1"]
    assert members[0].weights == uninterrupted.weights
    assert len({member.weights for member in members}) == len(members)
