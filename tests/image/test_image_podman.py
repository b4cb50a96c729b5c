"""The same image under podman, with the GPU of a CDI description."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from engine import HARDENED, Engine, MakeFolder, wait_until
from job.errors import ExitCode
from stand_ins import ROOT, base_image_name, make_base_image

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

GPU_LINE: Final = re.compile(r"^podman (run --rm --device nvidia.com/gpu=0 .*)$", re.MULTILINE)
# One epoch is enough here, and rules of a firewall are not to be had everywhere.
SHORT: Final = ("--network=none", "--env=JOB_EPOCHS=1")


def test_line_of_the_documentation_trains_on_a_node_with_a_gpu(
    podman: Engine, image: str, output_folder: MakeFolder
) -> None:
    """`--device nvidia.com/gpu=0` gives under podman what `--gpus all` gives under Docker."""
    (line,) = GPU_LINE.findall((ROOT / "docs" / "docker.md").read_text())
    line = line.replace("run", f"run {shlex.join(SHORT)}", 1)
    folder = output_folder("podman-gpu")
    (folder / "output").mkdir()

    assert image in line
    result = podman.shell(f"{shlex.join(podman.command)} {line}", folder)

    assert result.returncode == ExitCode.FINISHED, result.stderr
    assert "THIS NODE HAS A GPU THAT CANNOT BE USED" in result.stdout + result.stderr
    inspection = json.loads((folder / "output" / "preflight.json").read_text())
    assert [gpu["name"] for gpu in inspection["gpus"]] == ["NVIDIA H100 80GB HBM3"]


def test_restricted_run_gives_the_weights_that_it_gives_under_docker(
    podman: Engine, image: str, output_folder: MakeFolder, finished: Path
) -> None:
    """The engine leaves no trace in the result."""
    output = output_folder("podman")

    volume = f"--volume={output}:/output"
    podman.checked("run", "--rm", *HARDENED, "--env=JOB_EPOCHS=1", volume, image)

    weights = [folder / "model.safetensors" for folder in (output, finished)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_stopped_run_ends_in_75(podman: Engine, image: str, output_folder: MakeFolder) -> None:
    """`podman stop` reaches the job, too."""
    output = output_folder("podman-stopped")
    options = ("--detach", *SHORT, "--env=JOB_CHECKPOINT_EVERY_SECONDS=1")
    container = podman.checked("run", *options, f"--volume={output}:/output", image)
    wait_until("a checkpoint", lambda: any(output.glob("checkpoints/*/manifest.json")))

    podman.checked("stop", "--time=30", container)

    assert int(podman.checked("wait", container)) == ExitCode.INTERRUPTED
    podman.checked("rm", container)


def test_buildah_understands_the_dockerfile(podman: Engine, workshop: Path, image: str) -> None:
    """A stage that podman builds, too; the whole file it has read before that."""
    podman.checked("import", make_base_image(workshop / "base.tar"), base_image_name())
    options = ("--quiet", "--network=host", f"--tag={image}-part")

    for stage in ("runtime", "source"):
        podman.checked("build", *options, f"--target={stage}", ROOT)

    listed = podman.checked("run", "--rm", "--network=none", f"{image}-part", "ls", "/image/app")
    assert listed.split() == ["LICENSE", "job"]
