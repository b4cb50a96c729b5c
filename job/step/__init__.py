"""A training step; every implementation gives the same weights. `make_step` picks one."""

from job.step.choice import make_step, require_supported
from job.step.contract import Precision, Step, Update

__all__ = ["Precision", "Step", "Update", "make_step", "require_supported"]
