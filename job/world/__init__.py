"""Which rank this process is, and what the ranks of a run tell each other; alone as with many."""

from job.world.approach import Approach
from job.world.group import ALONE, World, join
from job.world.location import here, locate, placement
from job.world.pace import Pace
from job.world.placement import Node, Placement

__all__ = [
    "ALONE",
    "Approach",
    "Node",
    "Pace",
    "Placement",
    "World",
    "here",
    "join",
    "locate",
    "placement",
]
