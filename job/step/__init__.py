"""A training step; every implementation gives the same weights. `make_step` picks one."""

from job.step.choice import make_step, require_supported
from job.step.contract import WEIGHTS, Precision, Step, Update

__all__ = ["WEIGHTS", "Precision", "Step", "Update", "make_step", "require_supported"]
