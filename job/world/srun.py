"""The names that srun gives to the tasks of a step.

`SLURM_PROCID` alone says nothing: the batch shell has it, too, and it is 0 there. What only a step
has is `SLURM_STEP_NUM_TASKS`.
"""

import re
from collections.abc import Mapping
from typing import Final

from job.errors import SettingsError
from job.world.claims import Claim, Fact, Said, read, require

STEP: Final = "SLURM_STEP_NUM_TASKS"
TASKS: Final = "SLURM_STEP_TASKS_PER_NODE"
NAMES: Final[dict[Fact, str]] = {
    "rank": "SLURM_PROCID",
    "size": STEP,
    "local_rank": "SLURM_LOCALID",
    "node": "SLURM_NODEID",
    "nodes": "SLURM_STEP_NUM_NODES",
}
# Ranks that are launched in a task keep these.
NODE_NAME: Final = "SLURMD_NODENAME"
GPUS: Final = "SLURM_GPUS_ON_NODE"
OWN: Final = frozenset({*NAMES.values(), TASKS})
# enroot's hook takes the same port; it is above those that Linux gives to outgoing connections.
FIRST_PORT: Final = 61_000
PORTS: Final = 4_536


def is_step(environ: Mapping[str, str]) -> bool:
    """Whether srun started this process, or what started it."""
    return bool(environ.get(STEP))


def step_claim(environ: Mapping[str, str]) -> Claim:
    """What is said of this task; empty outside of a step. `local_size` is that of its node."""
    if not is_step(environ):
        return {}
    said = read(environ, NAMES)
    require(said, NAMES)
    return said | {"local_size": Said(TASKS, _tasks_here(environ, int(said["node"].value)))}


def has_one_task_per_node(claim: Claim) -> bool:
    """Whether a task may stand for its node, so that ranks may be launched in it."""
    return bool(claim) and claim["size"].value == claim["nodes"].value


def node_name(environ: Mapping[str, str]) -> str:
    """What Slurm calls this node, which may know itself by another name; empty without Slurm."""
    return environ.get(NODE_NAME, "")


def granted_gpus(environ: Mapping[str, str]) -> int | None:
    """How many GPUs of this node Slurm gave to the step, broken ones, too; None if not told."""
    text = environ.get(GPUS, "")
    return int(text) if text.isdecimal() else None


def master_address(environ: Mapping[str, str]) -> str:
    """The host of rank 0: the first of the step's nodes, unless `--distribution` is arbitrary."""
    return first_host(environ.get("SLURM_STEP_NODELIST", ""))


def master_port(environ: Mapping[str, str]) -> int:
    """A port that all tasks of a step come to, and those of other jobs hardly ever."""
    numbers = (environ.get(name, "0") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return FIRST_PORT + sum(int(number) for number in numbers if number.isdigit()) % PORTS


def first_host(hosts: str) -> str:
    """The first name of a list as Slurm writes it: `gpu01` of `gpu[01-04,07],login`."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", hosts)
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", first[0]) if first else ""


def _tasks_here(environ: Mapping[str, str], node: int) -> int:
    text = environ.get(TASKS, "")
    tasks = [
        int(count)
        for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
        for _ in range(int(times or 1))
    ]
    if node >= len(tasks):
        raise SettingsError(
            f"{TASKS}={text} does not tell the tasks of node {node}",
            allowed="what srun sets, such as 2(x3),1",
            fix="pass srun's variables on unchanged",
        )
    return tasks[node]
