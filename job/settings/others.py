"""What the other commands are told, some besides what a run is."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import CliPositionalArg

from job.settings.fields import EnvironmentSettings, Settings, require_utf8


class PreflightSettings(Settings):
    """What `preflight` is told besides: where to put its verdicts as the results of tests."""

    junit: Path | None = Field(None, description="file for the verdicts as JUnit XML")
    ctrf: Path | None = Field(
        None, description="file for the verdicts as JSON in the Common Test Report Format"
    )

    @model_validator(mode="after")
    def _reports_differ(self) -> Self:
        if self.junit is not None and self.junit == self.ctrf:
            raise ValueError(f"JOB_JUNIT and JOB_CTRF are both {self.junit}: give each its file")
        return self


class PredictSettings(EnvironmentSettings):
    """What `predict` is told: name the clothes on pictures, or on an image of the test set."""

    pictures: CliPositionalArg[list[Path]] = Field([], description="picture files to classify")
    weights: Path = Field(
        Path("output/model.safetensors"), description="a .safetensors, .pth or .pt2 file"
    )
    test_image: int | None = Field(
        None, ge=0, lt=10_000, description="index of an image of the test set, instead of pictures"
    )

    @model_validator(mode="after")
    def _something_to_classify(self) -> Self:
        if bool(self.pictures) == (self.test_image is not None):
            raise ValueError("give picture files or --test-image N, one of the two")
        return self


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
