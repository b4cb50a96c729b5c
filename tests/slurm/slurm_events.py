"""What can happen to a job on a cluster, and the table of what was seen when it did."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slurm_cluster import GPUS_PER_NODE
from slurm_job import Job, submit
from slurm_user import User

HEADINGS: Final = ("event", "batch script", "job", "state", "next attempt after", "weights")
ALL_GPUS: Final = f"--gpus-per-node={GPUS_PER_NODE}"

Event = Callable[[Job, str], object]
Note = Callable[[str, Job, str], None]
Interrupted = dict[str, Future[Job]]


@dataclass(frozen=True)
class Interruption:
    """What happens, to a job of which partition, and what is put right once the job has seen it."""

    event: Event
    partition: str = "grace"
    repair: Event = lambda _job, _node: None


def interrupt(user: User, interruption: Interruption) -> Job:
    """Let something happen to a job in training that has a node to itself; wait for its end."""
    job = submit(user, "train.sh", f"--partition={interruption.partition}", ALL_GPUS)
    with job.held_in_training() as node:
        interruption.event(job, node)
    interruption.repair(job, node)
    job.await_end()
    return job


def preempt(job: Job, node: str) -> None:
    """Somebody more important wants all GPUs of the node."""
    job.user.run("sbatch", "--partition=urgent", f"--nodelist={node}", ALL_GPUS, "--wrap=true")


def run_out_of_time(job: Job, _node: str) -> None:
    """The job has less time left than the warning that its script asks for."""
    end = datetime.now().astimezone() + timedelta(seconds=110)
    _update(job, f"EndTime={end:%Y-%m-%dT%H:%M:%S}")


def have_time_again(job: Job, _node: str) -> None:
    """The next attempt is not warned at once: an earlier end has also changed the job's limit."""
    _update(job, "TimeLimit=01:00:00")


def signal_step(job: Job, _node: str) -> None:
    """`scancel` with a signal, which the step gets and the script does not."""
    job.user.run("scancel", "--signal=TERM", f"{job.id}.0")


def cancel(job: Job, _node: str) -> None:
    """`scancel`: the user wants no more of it."""
    job.user.run("scancel", job.id)


def lose_power(job: Job, node: str) -> None:
    """All that runs on the node is gone at once."""
    job.user.cluster.lose_node(node)


# After which a job is to go on.
INTERRUPTIONS: Final = {
    "preemption, GraceTime=10": Interruption(preempt),
    "preemption, GraceTime=0": Interruption(preempt, "abrupt"),
    "time limit": Interruption(run_out_of_time, repair=have_time_again),
    "scancel --signal=TERM of the step": Interruption(signal_step),
    "node failure": Interruption(lose_power),
}


def compared(job: Job, uninterrupted: Job) -> str:
    """How the weights of a job stand to those of one that nothing happened to."""
    return "identical" if job.weights == uninterrupted.weights else "DIFFERENT"


def row(event: str, job: Job, weights: str) -> tuple[str, ...]:
    """A line of the table, from what an interrupted job and its log have left."""
    first, *later = job.attempts
    by_script = "is requeued" in job.log
    state = f"requeued by {'the script' if by_script else 'Slurm'}, " if later else ""
    return (
        event,
        _seen_by_script(job.log),
        f"{first['ended'] or 'killed'}, {first['exit_code'] or 'no code'}",
        state + job.facts["JobState"],
        f"{_pause(first, later[0]):.0f} s" if later else "none comes",
        weights,
    )


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """The rows under their headings, in Markdown, the columns aligned."""
    lines = [HEADINGS, *sorted(rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(f"| {' | '.join(map(str.ljust, cells, widths))} |" for cells in lines)


def _update(job: Job, change: str) -> None:
    job.user.cluster.on("login", "scontrol", "update", f"JobId={job.id}", change)


def _seen_by_script(log: str) -> str:
    signals = {"(warned: yes)": "USR1", "decided outside": "TERM", "(warned: no)": "nothing"}
    return next((name for sign, name in signals.items() if sign in log), "killed")


def _pause(first: dict[str, Any], second: dict[str, Any]) -> float:
    started = [datetime.fromisoformat(attempt["started_at"]) for attempt in (first, second)]
    return (started[1] - started[0]).total_seconds() - (first["seconds"] or 0)
