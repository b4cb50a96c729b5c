"""What the commands that look at many runs are told: `sweep` and `compare`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from job.settings.fields import EnvironmentSettings, Settings


class SweepSettings(Settings):
    """What `sweep` is told, besides what each of its runs is."""

    plan: bool = Field(False, description="list the points, and train none")


class CompareSettings(EnvironmentSettings):
    """What `compare` is told."""

    runs: CliPositionalArg[list[Path]] = Field(
        [Path("output")], description="folders of runs, or folders that have some below them"
    )
    csv: Path | None = Field(None, description="file that takes the leaderboard as CSV")
    html: Path | None = Field(None, description="file that takes the comparison as a page")
