"""The environment and the flags become one frozen, validated, described value."""

from job.settings.fields import Settings
from job.settings.others import (
    CompareSettings,
    PredictSettings,
    PreflightSettings,
    ReportSettings,
    SweepSettings,
)
from job.settings.sources import KINDS, load, load_points

__all__ = [
    "KINDS",
    "CompareSettings",
    "PredictSettings",
    "PreflightSettings",
    "ReportSettings",
    "Settings",
    "SweepSettings",
    "load",
    "load_points",
]
