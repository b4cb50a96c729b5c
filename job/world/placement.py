"""Where a process stands among those of its run: as values, which `location` finds."""

import platform
from dataclasses import dataclass, field
from typing import Final

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Placement:
    """A rank. All numbers count from 0; `node` is the rank of its node.

    Rank 0 is met at `master_address`:`master_port`. `store_is_there`: torchrun's agent holds the
    store at that port, for the `attempt`-th time that it has started its ranks. `counted`: no
    setting says how many ranks a node has, so that it may be how many GPUs were found there.
    `node_name` is that by which a scheduler knows the node, `granted_gpus` how many it gave to the
    run there, if it says so.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    node: int
    nodes: int
    master_address: str
    master_port: int
    source: str
    store_is_there: bool = False
    attempt: int = 0
    counted: bool = False
    node_name: str = field(default_factory=platform.node)
    granted_gpus: int | None = None

    @property
    def unfit_for_lack_of_gpus(self) -> str:
        """The node's name if it has lost GPUs, and was not given fewer than it has ranks."""
        enough = self.granted_gpus is None or self.granted_gpus >= self.local_size
        return self.node_name if enough else ""

    @property
    def is_main(self) -> bool:
        """Whether this is the one rank that writes files."""
        return self.rank == 0

    def device_index(self, visible: int) -> int:
        """The device of this rank; Slurm may show each rank only its own, as number 0."""
        return self.local_rank % visible


@dataclass(frozen=True)
class Node:
    """A node whose ranks are not started yet; `processes` is None where nothing says how many.

    `master_port` is None on the only node of a run, where any free port will do.
    """

    rank: int
    count: int
    master_address: str
    master_port: int | None
    source: str
    processes: int | None = None
    node_name: str = field(default_factory=platform.node)
    granted_gpus: int | None = None

    def placement(self, local_rank: int, local_size: int) -> Placement:
        """The place of one of `local_size` ranks of this node, if every node has as many."""
        return Placement(
            rank=self.rank * local_size + local_rank,
            size=self.count * local_size,
            local_rank=local_rank,
            local_size=local_size,
            node=self.rank,
            nodes=self.count,
            master_address=self.master_address,
            master_port=self.master_port or 0,
            source=self.source,
            counted=self.processes is None,
            node_name=self.node_name,
            granted_gpus=self.granted_gpus,
        )
