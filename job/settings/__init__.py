"""The environment and the flags become one frozen, validated, described value."""

from job.settings.fields import PredictSettings, ReportSettings, Settings
from job.settings.sources import load

__all__ = ["PredictSettings", "ReportSettings", "Settings", "load"]
