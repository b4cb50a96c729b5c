"""The image under a real Docker daemon: trained, restricted, stopped, killed, and gone on with."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from docker_page import restricted_lines
from engine import HARDENED, Engine, Finished, MakeFolder, wait_until
from job.errors import ExitCode
from stand_ins import ROOT

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

PAGES: Final = (ROOT / "README.md", ROOT / "docs" / "docker.md")
GPU_LINES: Final = re.compile(r"^mkdir -p output\n(docker run --rm --gpus all .*)$", re.MULTILINE)
SHORT: Final = ("--env=JOB_EPOCHS=1", "--env=JOB_CHECKPOINT_EVERY_SECONDS=1")
NO_NETWORK: Final = "--network=none"


def weights(output: Path) -> bytes:
    """The trained weights, byte by byte."""
    return (output / "model.safetensors").read_bytes()


def ledger(output: Path) -> list[dict[str, Any]]:
    """The attempts that were made on an output folder."""
    return [json.loads(line) for line in (output / "attempts.jsonl").read_text().splitlines()]


def start(docker: Engine, output: Path, image: str, *options: str) -> str:
    """Start one epoch behind the caller's back, wait for its first checkpoint, return its id."""
    volume = f"--volume={output}:/output"
    container = docker.checked("run", "--detach", NO_NETWORK, volume, *SHORT, *options, image)
    wait_until("a checkpoint", lambda: any(output.glob("checkpoints/*/manifest.json")))
    return container


def ended(docker: Engine, container: str) -> tuple[int, bool]:
    """Exit code of a container that ends, and whether it was killed for its memory."""
    code = int(docker.checked("wait", container))
    killed = docker.checked("inspect", "--format={{.State.OOMKilled}}", container)
    docker.checked("rm", container)
    return code, killed == "true"


def run_again(docker: Engine, output: Path, image: str) -> Finished:
    """The same command once more, as a scheduler would."""
    return docker("run", "--rm", NO_NETWORK, f"--volume={output}:/output", *SHORT, image)


def test_line_of_the_documentation_trains_on_a_node_with_a_gpu(
    docker: Engine, image: str, output_folder: MakeFolder
) -> None:
    """The literal line reaches the GPU's nvidia-smi; that CUDA is not there is said loudly."""
    lines = {line for page in PAGES for line in GPU_LINES.findall(page.read_text())}
    folder = output_folder("literal")

    assert len(lines) == 1
    assert image in next(iter(lines))
    result = docker.shell(f"mkdir -p output\n{lines.pop()}", folder)

    assert result.returncode == ExitCode.FINISHED, result.stderr
    assert "THIS NODE HAS A GPU THAT CANNOT BE USED" in result.stdout + result.stderr
    inspection = json.loads((folder / "output" / "preflight.json").read_text())
    assert [gpu["name"] for gpu in inspection["gpus"]] == ["NVIDIA H100 80GB HBM3"]
    assert (folder / "output" / "metrics.json").exists()


def test_documented_restrictions_are_those_of_podman_s_run() -> None:
    """The page's block, which `finished` runs, and the flags of the same run under podman."""
    block = restricted_lines()

    assert [each for each in HARDENED if each.replace("=", " ") not in block] == []


def test_restricted_run_trains_on_the_real_data_inside(finished: Path) -> None:
    """A read-only root, a foreign uid, no capability, no network: it finishes all the same."""
    record = json.loads((finished / "metrics.json").read_text())

    assert record["dataset"]["train_images"] == 60_000
    assert record["evaluation"]["images"] == 10_000
    assert record["evaluation"]["accuracy"] > 0.4  # one epoch of the quickstart's


def test_results_can_be_read_by_everybody(finished: Path) -> None:
    """The host's user, who is not the container's, opens what the run has left."""
    files = [path for path in finished.rglob("*") if path.name != ".lock"]

    assert {path.stat().st_uid for path in files} == {12345}
    assert [path for path in files if path.stat().st_mode & 0o444 != 0o444] == []
    assert [each for each in files if each.is_dir() and each.stat().st_mode & 0o111 != 0o111] == []


def test_stopped_run_goes_on_to_the_same_weights(
    docker: Engine, image: str, output_folder: MakeFolder, finished: Path
) -> None:
    """`docker stop` reaches the job, which is PID 1: 75, and the next run ends as if uncut."""
    output = output_folder("stopped")
    container = start(docker, output, image)

    docker.checked("stop", "--time=30", container)

    assert ended(docker, container) == (ExitCode.INTERRUPTED, False)
    assert run_again(docker, output, image).returncode == ExitCode.FINISHED
    assert [attempt["exit_code"] for attempt in ledger(output)] == [75, 0]
    assert weights(output) == weights(finished)


def test_run_that_was_killed_for_its_memory_goes_on(
    docker: Engine, image: str, output_folder: MakeFolder, finished: Path
) -> None:
    """What fills a /tmp in memory counts against the limit; the next run goes on all the same."""
    output = output_folder("memory")
    limits = ("--memory=1g", "--memory-swap=1g", "--tmpfs=/tmp:size=2g")
    container = start(docker, output, image, *limits)

    docker("exec", container, "dd", "if=/dev/zero", "of=/tmp/filler", "bs=1M")

    assert ended(docker, container) == (137, True)
    assert run_again(docker, output, image).returncode == ExitCode.FINISHED
    assert [attempt["exit_code"] for attempt in ledger(output)] == [None, 0]
    assert ledger(output)[1]["resumed_from_step"] > 0
    assert weights(output) == weights(finished)
