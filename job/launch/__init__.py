"""One process per rank on this node, where one process is not enough for its GPUs."""

from job.launch.alone import Outcome, run_alone, this_program
from job.launch.launcher import run

__all__ = ["Outcome", "run", "run_alone", "this_program"]
