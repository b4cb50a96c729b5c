"""How the image ends, under Docker and under podman: the code reaches the caller, with a remedy."""

import json
from typing import Final

import pytest

from engine import Engine, MakeFolder
from job.errors import ExitCode

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

NO_NETWORK: Final = "--network=none"


@pytest.fixture(params=["docker", "podman"])
def either(request: pytest.FixtureRequest) -> Engine:
    """Each of the engines that run the image."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def test_missing_gpu_that_was_insisted_on_is_69_with_the_remedy(
    either: Engine, image: str, output_folder: MakeFolder
) -> None:
    """Who forgot to give it is told so, with the flag of either engine."""
    volume = f"--volume={output_folder('no-gpu')}:/output"

    result = either("run", "--rm", NO_NETWORK, volume, "--env=JOB_DEVICE=cuda", image)

    assert result.returncode == ExitCode.UNFIT_NODE
    told = result.stdout + result.stderr
    assert "docker run --gpus all" in told
    assert "podman run --device nvidia.com/gpu=all" in told


@pytest.mark.parametrize(("mode", "options"), [(0o755, ""), (0o777, ":ro")])
def test_volume_that_cannot_be_written_is_73(
    either: Engine, image: str, output_folder: MakeFolder, mode: int, options: str
) -> None:
    """Root's folder, as Docker makes a missing one, or a read-only mount: the path is named."""
    output = output_folder("closed")
    output.chmod(mode)

    result = either("run", "--rm", NO_NETWORK, f"--volume={output}:/output{options}", image)

    assert result.returncode == ExitCode.OUTPUT
    assert "/output" in result.stdout + result.stderr


def test_dataset_of_a_volume_goes_before_the_image_s_own(
    either: Engine, image: str, output_folder: MakeFolder
) -> None:
    """What is mounted at /data is what is trained on: here a damaged file, so 65."""
    data = output_folder("data")
    for kind in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (data / f"{kind}-ubyte.gz").write_bytes(b"not a dataset")

    result = either("run", "--rm", NO_NETWORK, f"--volume={data}:/data:ro", image)

    assert result.returncode == ExitCode.DATA
    assert "/data/" in result.stdout + result.stderr


def test_anything_but_a_flag_runs_as_given(either: Engine, image: str) -> None:
    """The image's python and the job's other commands are a word away."""
    result = either("run", "--rm", NO_NETWORK, image, "python", "-m", "job", "schema")

    assert result.returncode == 0
    assert json.loads(result.stdout)["title"] == "RunRecord"


def test_misspelt_flag_is_64(either: Engine, image: str) -> None:
    """A flag reaches the job, and exit codes reach the caller."""
    assert either("run", "--rm", NO_NETWORK, image, "--epoch=3").returncode == ExitCode.USAGE
