"""Claims about JOB_RUNTIME: the line that each runtime is given, and what reaches the job in it."""

import os
import re
import signal
from pathlib import Path
from typing import Final

import pytest

from batch_shell import ROOT, Batch, make_batch
from job import explain
from job.errors import ExitCode

LINES: Final = {
    "apptainer": (
        "apptainer exec --nv --contain --pwd=/app --bind={output}:/output --bind={data}:/mnt"
        " {image} /entrypoint.sh --epochs 3"
    ),
    "charliecloud": (
        "ch-run --private-tmp --cd=/app --bind={output}:/output --bind={data}:/mnt"
        " --set-env=HOME=/tmp --set-env=PATH={path} {image} -- /entrypoint.sh --epochs 3"
    ),
    "docker": (
        'docker run --rm --network=none --user={user}:0 --gpus="device=2,5" {settings}'
        " --volume={output}:/output --volume={data}:/mnt {image} --epochs 3"
    ),
    "podman": (
        "podman run --replace --name=job-7 --network=none --userns=keep-id --user={user}:0"
        " --device=nvidia.com/gpu=2 --device=nvidia.com/gpu=5 {settings}"
        " --volume={output}:/output --volume={data}:/mnt {image} --epochs 3"
    ),
}
SETTINGS: Final = {
    "JOB_DEVICE": "cuda",
    "JOB_DATA_DIR": "/mnt",
    "JOB_OUTPUT_DIR": "/output",
    "JOB_SEED": "5",
    "OMP_NUM_THREADS": "2",
}


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch shell on a node."""
    return make_batch(tmp_path)


@pytest.mark.parametrize("runtime", LINES)
def test_container_is_started_with_gpus_volumes_and_settings(batch: Batch, runtime: str) -> None:
    """The whole line, because each of its words was forgotten by somebody once."""
    (batch.project / "data").mkdir()

    ended = batch.run(
        *("--epochs", "3"),
        JOB_RUNTIME=runtime,
        JOB_SEED="5",
        JOB_DATA_DIR="data",
        SLURM_JOB_GPUS="2,5",
        PYTHONPATH="/of/the/host",
    )

    facts = {
        "output": f"{batch.project}/output",
        "data": f"{batch.project}/data",
        "image": explain.IMAGE,
        "user": os.getuid(),
        "path": re.findall(r"ENV PATH=(\S+)", (ROOT / "Dockerfile").read_text())[0],
        "settings": " ".join(f"--env={name}" for name in sorted(SETTINGS)),
    }
    assert " ".join(ended.words) == LINES[runtime].format(**facts)
    assert ended.settings == SETTINGS
    assert "PYTHONPATH" not in ended.seen["variables"]


@pytest.mark.parametrize("runtime", LINES)
def test_file_of_a_sweep_reaches_the_container(batch: Batch, runtime: str) -> None:
    """Its folder is mounted, and the index is a setting, since Slurm's variables stay outside."""
    sweep = batch.project / "sweeps" / "a b.toml"
    sweep.parent.mkdir()
    sweep.touch()

    ended = batch.run(
        JOB_RUNTIME=runtime,
        JOB_SWEEP="sweeps/a b.toml",
        SLURM_ARRAY_JOB_ID="7",
        SLURM_ARRAY_TASK_ID="3",
    )

    assert f"{sweep.parent}:/srv" in " ".join(ended.words)
    assert ended.settings["JOB_SWEEP"] == "/srv/a b.toml"
    assert ended.settings["JOB_SWEEP_INDEX"] == "3"


@pytest.mark.parametrize("runtime", [*LINES, "venv"])
def test_requeued_job_goes_on_in_every_runtime(batch: Batch, runtime: str) -> None:
    """What `never` has become reaches the job by the way of all settings."""
    ended = batch.run(JOB_RUNTIME=runtime, JOB_RESUME="never", SLURM_RESTART_COUNT="1")

    assert ended.settings["JOB_RESUME"] == "auto"
    told = ended.seen["variables"].get("APPTAINERENV_JOB_RESUME", "auto")
    assert told == "auto"


@pytest.mark.parametrize("runtime", LINES)
def test_launcher_in_a_container_hears_of_the_cpus_of_its_task(batch: Batch, runtime: str) -> None:
    """Where several processes are to share them; a container sees all cores of its node."""
    ended = batch.run(JOB_RUNTIME=runtime, SLURM_GPUS_ON_NODE="8")

    assert "OMP_NUM_THREADS" not in ended.settings
    assert ended.seen["variables"]["SLURM_CPUS_PER_TASK"] == "2"
    named = {"docker": "--env=", "podman": "--env="}.get(runtime)
    assert named is None or f"{named}SLURM_CPUS_PER_TASK" in ended.words


def test_apptainer_is_told_the_settings_against_the_image_s_own(batch: Batch) -> None:
    """A value of the image goes before the host's, unless it is given in this way."""
    ended = batch.run(JOB_RUNTIME="apptainer", JOB_SEED="5", JOB_IMAGE="a.sif")
    told = ended.seen["variables"]

    assert ended.seen["words"][-2] == "a.sif"
    assert {name: told[f"APPTAINERENV_{name}"] for name in ended.settings} == ended.settings


def test_charliecloud_knows_its_user(batch: Batch) -> None:
    """It refuses to start without, and a bare environment has none."""
    ended = batch.run(JOB_RUNTIME="charliecloud")

    assert ended.seen["variables"]["USER"] == Path(ended.seen["variables"]["SEEN"]).owner()


def test_pyxis_is_told_by_options_of_srun(batch: Batch) -> None:
    """The step itself becomes the container, and its entrypoint the task."""
    options = (
        "container-image=fashion-mnist-job:0.1.0",
        "container-workdir=/app",
        "no-container-mount-home",
        f"container-mounts={batch.project}/output:/output",
        "container-env=JOB_DEVICE,JOB_OUTPUT_DIR,OMP_NUM_THREADS",
    )

    ended = batch.run("--epochs", "3", JOB_RUNTIME="pyxis")

    assert ended.notes[1:] == [f"srun --{option}" for option in options]
    assert ended.code == 127  # there is no /entrypoint.sh where this runs


@pytest.mark.parametrize("client", ["0", "138", "255"])
def test_container_is_waited_for_when_its_client_has_left(batch: Batch, client: str) -> None:
    """Podman 4.3 leaves with 0 at SIGTERM, or with whatever code, and its container goes on."""
    states = "running 0,stopping 0,exited 65"

    ended = batch.run(JOB_RUNTIME="podman", TASK="65", LEAVES=client, FOUND=states)

    assert ended.code == ExitCode.DATA
    assert ended.notes[-1] == "podman rm --force --ignore job-7"


@pytest.mark.parametrize("state", ["none", "created 0", "initialized 0", "exited -1"])
def test_job_that_podman_knows_no_code_of_is_tried_again(batch: Batch, state: str) -> None:
    """A signal ended its client before there was a container, or the helper that notes the code."""
    ended = batch.run(JOB_RUNTIME="podman", TASK="75", LEAVES="0", FOUND=state)

    assert ended.code == 128 + signal.SIGTERM
    assert ended.requeues == ["scontrol requeue 7"]


def test_container_that_cannot_be_started_ends_with_podman_s_own_code(batch: Batch) -> None:
    """There is no image of that name, for example; a further attempt would end alike."""
    ended = batch.run(JOB_RUNTIME="podman", TASK="1", LEAVES="125", FOUND="none")

    assert ended.code == 125
    assert not ended.requeues


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_runtime_that_hides_the_other_tasks_is_refused_for_several(
    batch: Batch, runtime: str
) -> None:
    """Each of two tasks would take itself for the only one, and write the same files."""
    ended = batch.run(JOB_RUNTIME=runtime, SLURM_NTASKS="2")

    assert ended.code == ExitCode.SETTINGS
    assert "one task only" in ended.said


def test_unknown_runtime_is_refused_with_those_that_there_are(batch: Batch) -> None:
    """The message names what is allowed, which is what the page explains."""
    ended = batch.run(JOB_RUNTIME="conda")
    allowed = ended.said.strip().partition("allowed is ")[2].split(", ")

    assert ended.code == ExitCode.SETTINGS
    assert set(allowed) == {*LINES, "venv", "pyxis"}
