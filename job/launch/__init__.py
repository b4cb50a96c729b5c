"""One process per rank on this node, where one process is not enough for its GPUs."""

from job.launch.launcher import run

__all__ = ["run"]
