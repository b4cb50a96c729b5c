"""What an all-reduce costs, as a formula: latency of its hops, and bytes over the slowest link.

On a ring of n each rank sends 2(n-1)/n of the bytes in 2(n-1) hops (Patarasuk and Yuan, J. Parallel
Distrib. Comput. 69 (2009) 117); on a tree it sends them twice, and the hops between nodes grow as
the logarithm of their number. NCCL picks what is shorter by its own estimate, and so does this.
Times are seconds, bandwidths bytes a second and direction.

Latencies are those of NCCL's src/graph/tuning.cc, in its protocols LL128 (NVLink only) and Simple;
bandwidths those that its src/graph/topo.h reckons with, which are below the data sheets': 18 NVLinks
of 20.6 GB/s for an H100's NVLink 4, four times PCIe 3's 12 GB/s for PCIe 5 x16, 12 GB/s for 100 Gbit/s.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MICRO: Final = 1e-6
GIGA: Final = 1e9


@dataclass(frozen=True)
class Protocol:
    """Microseconds to begin, and for a hop within a node and between nodes; a share of the bytes."""

    ring: bool
    base: float
    within: float
    between: float
    efficiency: float = 1.0


@dataclass(frozen=True)
class Link:
    """How the GPUs of a node are tied together."""

    name: str
    bandwidth: float
    protocols: tuple[Protocol, ...]


NVLINK_4: Final = Link(
    "NVLink 4",
    18 * 20.6 * GIGA,
    (
        Protocol(ring=True, base=14.0, within=1.9, between=4.0, efficiency=0.92),
        Protocol(ring=True, base=8.4, within=3.4, between=14.0),
        Protocol(ring=False, base=14.0, within=1.25, between=8.5, efficiency=0.92 * 7 / 9),
    ),
)
PCIE_5: Final = Link(
    "PCIe 5", 4 * 12 * GIGA, (Protocol(ring=True, base=8.4, within=5.7, between=14.0),)
)
GBE_100: Final = 12 * GIGA
GBE_400: Final = 48 * GIGA


@dataclass(frozen=True)
class Cluster:
    """GPUs as they are tied together; `network` is the bandwidth of all the adapters of a node."""

    nodes: int
    per_node: int
    link: Link
    network: float = math.inf
    network_name: str = ""

    @property
    def gpus(self) -> int:
        """How many there are."""
        return self.nodes * self.per_node

    @property
    def bandwidth(self) -> float:
        """Of the narrowest place that a ring through all GPUs passes."""
        return min(self.link.bandwidth, self.network)

    @property
    def name(self) -> str:
        """In words for a table."""
        if self.nodes == 1:
            return f"{self.per_node} on {self.link.name}"
        return f"{self.nodes} × {self.per_node} on {self.link.name}, {self.network_name}"


def _nodes(nodes: int, adapters: int, bandwidth: float, name: str) -> Cluster:
    return Cluster(nodes, 8, NVLINK_4, adapters * bandwidth, f"{adapters} × {name} a node")


CLUSTERS: Final = (
    *(Cluster(1, gpus, NVLINK_4) for gpus in (2, 4, 8)),
    *(Cluster(1, gpus, PCIE_5) for gpus in (2, 8)),
    _nodes(2, 8, GBE_400, "400 GbE"),
    _nodes(2, 1, GBE_400, "400 GbE"),
    _nodes(2, 1, GBE_100, "100 GbE"),
    _nodes(4, 8, GBE_400, "400 GbE"),
    _nodes(32, 8, GBE_400, "400 GbE"),
)


def seconds(cluster: Cluster, size: float) -> float:
    """An all-reduce of `size` bytes by the fastest of the link's protocols."""
    return min(_protocol_seconds(cluster, size))


def slope(cluster: Cluster) -> float:
    """Seconds a byte where there are so many that latency is nothing."""
    return _steps(cluster) / cluster.gpus / cluster.bandwidth


def ring(ranks: int, size: float, hop: float, bandwidth: float) -> float:
    """The formula alone: equal hops, and for every rank a link of its own."""
    return 2 * (ranks - 1) * (hop + size / ranks / bandwidth)


def one_road(ranks: int, size: float, hop: float, bandwidth: float) -> float:
    """The same where all ranks share one link, such as the memory of their host.

    Two ranks then have half of it each: `bandwidth` is what each of two has.
    """
    return ring(ranks, size, hop, 2 * bandwidth / ranks)


def _protocol_seconds(cluster: Cluster, size: float) -> Iterator[float]:
    for protocol in cluster.link.protocols:
        within, between = _hops(cluster, protocol)
        latency = protocol.base + within * protocol.within + between * protocol.between
        sent = _steps(cluster) / cluster.gpus if protocol.ring else 2
        yield latency * MICRO + sent * size / (cluster.bandwidth * protocol.efficiency)


def _hops(cluster: Cluster, protocol: Protocol) -> tuple[int, int]:
    """How many hops within and between nodes follow on each other, as NCCL counts them."""
    if protocol.ring:
        between = 2 * cluster.nodes if cluster.nodes > 1 else 0
        return _steps(cluster) - between, between
    return 2 * (cluster.per_node - 1), 2 * int(math.log2(cluster.nodes))


def _steps(cluster: Cluster) -> int:
    return 2 * (cluster.gpus - 1)
