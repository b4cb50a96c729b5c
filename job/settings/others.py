"""What the commands that look at runs are told: `sweep`, `compare` and `report`."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import CliPositionalArg

from job.settings.fields import EnvironmentSettings, Settings, require_utf8


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

    _can_be_told = field_validator("*")(require_utf8)


class ReportSettings(EnvironmentSettings):
    """What `report` is told: which run, and where to write."""

    folder: CliPositionalArg[Path | None] = Field(
        None, description="folder of the run; JOB_OUTPUT_DIR where it is not given"
    )
    output_dir: Path = Field(Path("output"), description="folder that takes the results")
    to: Path | None = Field(
        None, description="another folder for report.html and plots/, instead of the run's own"
    )

    _can_be_told = field_validator("*")(require_utf8)
