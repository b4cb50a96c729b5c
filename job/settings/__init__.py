"""The environment and the flags become one frozen, validated, described value."""

from job.settings.fields import PredictSettings, Settings
from job.settings.others import CompareSettings, ReportSettings, SweepSettings
from job.settings.sources import load, load_points

__all__ = [
    "CompareSettings",
    "PredictSettings",
    "ReportSettings",
    "Settings",
    "SweepSettings",
    "load",
    "load_points",
]
