"""The names of torchrun: those of a rank (`RANK`…), and of a node without ranks yet (`PET_*`).

Kubeflow's PyTorchJob gives its pods some of both: `RANK` is then the pod's, and `LOCAL_RANK` is
missing. enroot's hook gives Slurm's numbers these names, but no `LOCAL_WORLD_SIZE`.
"""

from collections.abc import Mapping
from typing import Final

from job.errors import SettingsError
from job.world import srun
from job.world.claims import Claim, Fact, merge, read, require
from job.world.placement import Placement

RANK: Final[dict[Fact, str]] = {"rank": "RANK", "size": "WORLD_SIZE"}
LOCAL: Final[dict[Fact, str]] = {"local_rank": "LOCAL_RANK", "local_size": "LOCAL_WORLD_SIZE"}
GROUP: Final[dict[Fact, str]] = {"node": "GROUP_RANK", "nodes": "GROUP_WORLD_SIZE"}
MASTER: Final[dict[Fact, str]] = {"address": "MASTER_ADDR", "port": "MASTER_PORT"}
NODE: Final[dict[Fact, str]] = {"node": "PET_NODE_RANK", "nodes": "PET_NNODES"}
NODE_MASTER: Final[dict[Fact, str]] = {"address": "PET_MASTER_ADDR", "port": "PET_MASTER_PORT"}
PROCESSES: Final = "PET_NPROC_PER_NODE"
NAMED_PROCESSES: Final = frozenset({"auto", "gpu", "cpu", "xpu"})
# Of torchrun's agent: that it runs, that it holds the store, how often it has started its ranks.
RUN_ID: Final = "TORCHELASTIC_RUN_ID"
HOLDS_STORE: Final = "TORCHELASTIC_USE_AGENT_STORE"
ATTEMPT: Final = "TORCHELASTIC_RESTART_COUNT"


def is_pod(environ: Mapping[str, str]) -> bool:
    """Whether `RANK` is that of a Kubeflow pod, in which ranks may yet be launched."""
    return bool(environ.get("PET_NODE_RANK")) and not environ.get("LOCAL_RANK")


def rank_claim(environ: Mapping[str, str]) -> Claim:
    """What is said of a rank; empty without `RANK` and `WORLD_SIZE`, of which none stands alone."""
    if is_pod(environ):
        return {}
    claim = read(environ, RANK)
    require(claim, RANK)
    return claim | read(environ, LOCAL | GROUP) if claim else {}


def master_claim(environ: Mapping[str, str]) -> Claim:
    """Where rank 0 is met; batch scripts often set `MASTER_ADDR` and leave the rest to srun."""
    return read(environ, MASTER)


def node_claim(environ: Mapping[str, str]) -> Claim:
    """What is said of a node; the port may be missing, and the number of processes."""
    _require_fixed_nodes(environ)
    if environ.get("PET_NNODES", "1") == "1" and not environ.get("PET_NODE_RANK"):
        return _processes(environ)
    claim = read(environ, NODE)
    require(claim, NODE)
    pod: Claim = read(environ, {"node": "RANK"}) if is_pod(environ) else {}
    return merge(claim, pod) | _processes(environ) | read(environ, NODE_MASTER)


def as_rank(environ: Mapping[str, str], place: Placement) -> dict[str, str]:
    """The environment of a rank that is launched, with nothing in it that says otherwise."""
    stale = {*NODE.values(), *NODE_MASTER.values(), PROCESSES, RUN_ID, HOLDS_STORE, ATTEMPT}
    kept = {name: value for name, value in environ.items() if name not in stale | srun.OWN}
    return kept | {
        "RANK": str(place.rank),
        "WORLD_SIZE": str(place.size),
        "LOCAL_RANK": str(place.local_rank),
        "LOCAL_WORLD_SIZE": str(place.local_size),
        "GROUP_RANK": str(place.node),
        "GROUP_WORLD_SIZE": str(place.nodes),
        "MASTER_ADDR": place.master_address,
        "MASTER_PORT": str(place.master_port),
    }


def _processes(environ: Mapping[str, str]) -> Claim:
    named = environ.get(PROCESSES) in NAMED_PROCESSES
    return {} if named else read(environ, {"local_size": PROCESSES})


def _require_fixed_nodes(environ: Mapping[str, str]) -> None:
    nodes = environ.get("PET_NNODES", "")
    if ":" in nodes:
        raise SettingsError(
            f"PET_NNODES={nodes}: the number of nodes may not change during a run",
            allowed="an integer, at least 1",
            fix="take the elastic policy out of the job, or start it with torchrun",
        )
