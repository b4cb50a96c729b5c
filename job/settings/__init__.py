"""The environment and the flags become one frozen, validated, described value."""

from job.settings.fields import PredictSettings, PreflightSettings, Settings
from job.settings.sources import load

__all__ = ["PredictSettings", "PreflightSettings", "Settings", "load"]
