"""The shorter lines of docs/docker.md, as they stand there, and what `make` types for them."""

import json
from typing import Final

import pytest

from docker_page import short_lines
from engine import Engine, MakeFolder
from job.errors import ExitCode
from stand_ins import ROOT

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

LINES: Final = short_lines()
# How each of them ends, with which word. The GPU's stand-in has no CUDA, so the node is unfit.
ENDINGS: Final = {
    "--help": (ExitCode.FINISHED, "--epochs"),
    "python -m job explain": (ExitCode.FINISHED, "JOB_EPOCHS"),
    "python -m job preflight": (ExitCode.UNFIT_NODE, "NVIDIA H100 80GB HBM3"),
}
# The stand-in of a GPU is not on make's way to podman; there are no firewall rules for a network.
OPTIONS: Final = {"docker": "--gpus all", "podman": "--network=none"}


def test_every_short_line_of_the_page_is_known_here() -> None:
    """A line that is added to the page is run, too."""
    assert LINES.keys() == ENDINGS.keys()


@pytest.mark.parametrize("command", LINES)
def test_short_line_of_the_page_does_what_it_says(docker: Engine, image: str, command: str) -> None:
    """Typed as it stands, it answers."""
    code, word = ENDINGS[command]

    assert image in LINES[command]
    result = docker.shell(LINES[command])

    assert result.returncode == code, result.stderr
    assert word in result.stdout


@pytest.mark.parametrize("engine", OPTIONS)
def test_image_run_trains_into_the_output_folder(
    request: pytest.FixtureRequest, image: str, output_folder: MakeFolder, engine: str
) -> None:
    """`make image-run` makes the folder and runs what is built, without building it again."""
    folder = output_folder(f"make-{engine}")
    options = f"GPU_OPTIONS={OPTIONS[engine]} --env=JOB_EPOCHS=1"
    make = ["make", "-f", str(ROOT / "Makefile"), "image-run", f"IMAGE={image}"]
    runner: Engine = request.getfixturevalue(engine)

    result = runner.shell([*make, f"ENGINE={engine}", options], folder)

    assert result.returncode == ExitCode.FINISHED, result.stderr
    record = json.loads((folder / "output" / "metrics.json").read_text())
    assert record["settings"]["epochs"]["value"] == 1
