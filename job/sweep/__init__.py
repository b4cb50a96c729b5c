"""Sweeps: one file has the points, one index says which of them a run is."""

from job.sweep.chosen import Plan, keep, plan_of, this_point

__all__ = ["Plan", "keep", "plan_of", "this_point"]
