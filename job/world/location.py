"""Finds a process's place in what its starter has put into the environment.

torchrun, Kubeflow, srun, an Indexed Job and enroot's hook each have names of their own; several may
speak at once, and then they must say the same. torchrun inside srun is no contradiction: srun's
numbers are then those of torchrun itself, one on each node.
"""

import os
import platform
from collections.abc import Mapping
from typing import Final

from job.errors import SettingsError
from job.settings import Settings
from job.world import srun, torchrun
from job.world.claims import Claim, Fact, Said, merge, only, read, require
from job.world.placement import LOOPBACK, Node, Placement

INDEX: Final = "JOB_COMPLETION_INDEX"
DEFAULT_PORT: Final = 29_500  # torchrun's
ALONE_ON_NODE: Final[Claim] = {
    "local_rank": Said("LOCAL_RANK", 0),
    "local_size": Said("LOCAL_WORLD_SIZE", 1),
}


def here(settings: Settings) -> Placement:
    """The place of this process; errors as in `locate`."""
    return placement(os.environ, settings)


def placement(environ: Mapping[str, str], settings: Settings) -> Placement:
    """The place of a process that trains by itself; errors as in `locate`."""
    found = locate(environ, settings)
    return found if isinstance(found, Placement) else found.placement(0, 1)


def locate(environ: Mapping[str, str], settings: Settings) -> Placement | Node:
    """The place of a process that is a rank already, or the node on which it may launch ranks.

    Raises `SettingsError` that prints both where two sources contradict each other, and what is
    missing where one is half set.
    """
    rank, step = torchrun.rank_claim(environ), srun.step_claim(environ)
    one_task_per_node = srun.has_one_task_per_node(step)
    if rank and one_task_per_node and _describes_agents(environ, rank, step):
        step = {}
    # Ranks that srun started one per node may be nodes as well, whatever enroot's hook adds.
    if (rank and not step) or "local_size" in rank or (step and not one_task_per_node):
        return _rank(environ, settings, rank, step)
    return _node(environ, settings, merge(step, rank))


def _describes_agents(environ: Mapping[str, str], rank: Claim, step: Claim) -> bool:
    """Whether the tasks of the step are torchrun, which numbers the nodes as they arrive."""
    return bool(environ.get(torchrun.RUN_ID)) or rank["size"].value != step["size"].value


def _rank(environ: Mapping[str, str], settings: Settings, rank: Claim, step: Claim) -> Placement:
    told = _told(settings)
    said = merge(rank, step, only(told, "local_size"))
    if not step:
        require(only(rank, "local_rank", "local_size"), torchrun.LOCAL)
    said = ALONE_ON_NODE | said
    size, local_size = _number(said, "size"), _number(said, "local_size")
    nodes = _number(said, "nodes", -(-size // local_size))
    merge({"nodes": Said("nodes", nodes)}, only(told, "nodes"))
    address, port = _master(environ, nodes, told) if size > 1 else (LOOPBACK, 0)
    return Placement(
        rank=_number(said, "rank"),
        size=size,
        local_rank=_number(said, "local_rank"),
        local_size=local_size,
        node=_number(said, "node", _number(said, "rank") // local_size),
        nodes=nodes,
        master_address=address,
        master_port=port,
        source=_source(rank, step),
        store_is_there=environ.get(torchrun.HOLDS_STORE) == "True",
        attempt=int(environ.get(torchrun.ATTEMPT) or 0),
        counted=settings.processes_per_node == "auto",
        node_name=srun.node_name(environ) or platform.node(),
        granted_gpus=srun.granted_gpus(environ),
    )


def _node(environ: Mapping[str, str], settings: Settings, step: Claim) -> Node:
    told, pod = _told(settings), torchrun.node_claim(environ)
    of_step: Claim = {"node": step["rank"], "nodes": step["size"]} if step else {}
    index: Claim = read(environ, {"node": INDEX}) if "nodes" in told else {}
    said = merge(pod, index, of_step, told)
    if "nodes" in said and "node" not in said:
        raise SettingsError(
            f"{said['nodes']} without {INDEX}",
            fix=f"set completionMode: Indexed in the Job, which gives its pods {INDEX}",
        )
    count, port = _number(said, "nodes", 1), None
    address = LOOPBACK
    if count > 1:
        address, port = _master(environ, count, merge(told, only(pod, "address", "port")))
    return Node(
        rank=_number(said, "node", 0),
        count=count,
        master_address=address,
        master_port=port,
        source=_source(pod, index, of_step),
        processes=_number(said, "local_size") if "local_size" in said else None,
        node_name=srun.node_name(environ) or platform.node(),
        granted_gpus=srun.granted_gpus(environ),
    )


def _told(settings: Settings) -> Claim:
    """What the settings say, as far as they say anything."""
    nodes, processes = settings.nodes, settings.processes_per_node
    values: dict[Fact, tuple[str, int | str | None]] = {
        "nodes": ("JOB_NODES", nodes if nodes > 1 else None),
        "local_size": ("JOB_PROCESSES_PER_NODE", None if processes == "auto" else processes),
        "address": ("JOB_MASTER_ADDRESS", settings.master_address),
        "port": ("JOB_MASTER_PORT", settings.master_port),
    }
    return {fact: Said(name, value) for fact, (name, value) in values.items() if value is not None}


def _master(environ: Mapping[str, str], nodes: int, told: Claim) -> tuple[str, int]:
    """Where rank 0 is met: as is said, else as Slurm's list of nodes has it."""
    said = torchrun.master_claim(environ)
    if nodes > 1:
        said = merge(said, only(told, "address", "port"))
    address, port = "", DEFAULT_PORT
    if srun.is_step(environ):
        address = srun.master_address(environ) if nodes > 1 else LOOPBACK
        port = srun.master_port(environ)
    if "address" in said:
        address = str(said["address"].value)
    if not address:
        raise SettingsError(
            "nothing says where rank 0 is",
            fix="set MASTER_ADDR, or JOB_MASTER_ADDRESS, to the name of its host",
        )
    return address, _number(said, "port", port)


def _number(claim: Claim, fact: Fact, otherwise: int = 0) -> int:
    return int(claim[fact].value) if fact in claim else otherwise


def _source(*claims: Claim) -> str:
    return " and ".join(next(iter(claim.values())).name for claim in claims if claim) or "alone"
