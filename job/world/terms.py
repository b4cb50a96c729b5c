"""What all ranks must have in common, and whose fault it is where they have not.

What was set is for people to mend (78). What was found is the node's, and another node may have
more (69): the number of ranks, too, if it is that of the GPUs which were found.
"""

import json
from dataclasses import asdict, dataclass

from job.errors import SettingsError, UnfitNodeError
from job.world.placement import Placement


@dataclass(frozen=True)
class Terms:
    """What a rank takes for granted of all, and where; the rest is as in `Placement`."""

    nodes: int
    size: int
    counted: bool
    device_type: str
    node_name: str
    granted_gpus: int | None = None

    @classmethod
    def of(cls, place: Placement, device_type: str) -> "Terms":
        """Those of a rank at `place`."""
        return cls(
            place.nodes,
            place.size,
            place.counted,
            device_type,
            place.node_name,
            place.granted_gpus,
        )

    @classmethod
    def from_json(cls, text: str) -> "Terms":
        """Those that `as_json` told."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """All of them, for the other ranks."""
        return json.dumps(asdict(self))


def require_same(mine: Terms, theirs: Terms, me: str, them: str) -> None:
    """Raise unless the terms of `me` are those of `them`, both being a rank on a host.

    `UnfitNodeError` if only what was found differs, `SettingsError` if what was set does. The node
    that has less is the unfit one, unless the scheduler gave it fewer GPUs.
    """
    sizes = f"{me} is one of {mine.size}, and {them} one of {theirs.size}"
    if mine.device_type != theirs.device_type:
        without = theirs if theirs.device_type == "cpu" else mine
        raise UnfitNodeError(
            f"{me} has {mine.device_type}, and {them} has {theirs.device_type}",
            fix="set JOB_DEVICE=cuda, so that the node that has no GPU says why",
            unfit_node=without.node_name,
        )
    if mine.nodes != theirs.nodes:
        raise SettingsError(
            f"{sizes}: on {mine.nodes} nodes, and on {theirs.nodes}",
            fix="set JOB_NODES to the same number on all nodes",
        )
    if mine.size != theirs.size and mine.counted and theirs.counted:
        fewer, lacking = (me, mine) if mine.size < theirs.size else (them, theirs)
        raise UnfitNodeError(
            f"{sizes}: as many as GPUs were found",
            fix=f"look for the GPUs that {fewer} lacks: nvidia-smi -L, and dmesg for Xid",
            unfit_node=lacking.node_name if mine.granted_gpus == theirs.granted_gpus else "",
        )
    if mine.size != theirs.size:
        raise SettingsError(sizes, fix="set JOB_PROCESSES_PER_NODE to the same number on all nodes")
