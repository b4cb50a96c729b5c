"""The built image is what docs/image.md says: within its budget, lean, and nothing baked in."""

import json
import re
import tomllib
from typing import Any, Final

import pytest

from engine import Engine
from job import __version__
from stand_ins import ROOT, base_image_name

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

FOLDER_ROW: Final = re.compile(r"^\| `([^`]+)` \| ([\d,]+) \|", re.MULTILINE)
MEASURE: Final = "cd /opt/venv/lib/python3*/site-packages && du -xsm nvidia/* [!n]*/ n[!v]*/ /usr"
BUILD_TOOLS: Final = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget")
COMPILED_HERE: Final = re.compile(r"^# code object from (/\S+\.py)$", re.MULTILINE)


@pytest.fixture
def configuration(docker: Engine, image: str) -> dict[str, Any]:
    """What the image tells an engine: user, environment, entrypoint, labels."""
    inspected: list[dict[str, Any]] = json.loads(docker.checked("image", "inspect", image))
    configured: dict[str, Any] = inspected[0]["Config"]
    return configured


def shell(docker: Engine, image: str, script: str) -> str:
    """What a shell in the image says, on stdout and stderr."""
    result = docker("run", "--rm", "--network=none", image, "sh", "-c", f"exec 2>&1; {script}")
    return result.stdout


def test_image_stays_within_its_budget(docker: Engine, image: str) -> None:
    """Nobody makes the image larger, or much smaller, without saying so in image-budget.toml."""
    budget = tomllib.loads((ROOT / "image-budget.toml").read_text())["cuda"]
    size = int(docker.checked("image", "inspect", "--format={{.Size}}", image))

    assert 0.9 * budget < size <= budget


def test_documented_folders_are_the_largest(docker: Engine, image: str) -> None:
    """The table of docs/image.md is what du says, to a twentieth."""
    rows = FOLDER_ROW.findall((ROOT / "docs" / "image.md").read_text())
    documented = {folder: int(size.replace(",", "")) for folder, size in rows}
    lines = [line.split() for line in shell(docker, image, MEASURE).splitlines()]
    measured = {folder.rstrip("/"): int(size) for size, folder in lines}

    assert list(documented) == sorted(measured, key=lambda each: -measured[each])[:10]
    assert documented == pytest.approx({each: measured[each] for each in documented}, rel=0.05)


def test_image_bakes_no_setting_in(configuration: dict[str, Any]) -> None:
    """Under pyxis the image's value would beat the user's, so there is none."""
    assert [pair for pair in configuration["Env"] if pair.startswith("JOB_")] == []


def test_image_asks_enroot_for_a_gpu_with_cuda(configuration: dict[str, Any]) -> None:
    """Without these two, enroot gives no GPU, or one without CUDA."""
    assert "NVIDIA_VISIBLE_DEVICES=all" in configuration["Env"]
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in configuration["Env"]


def test_image_runs_as_a_number_of_group_0(configuration: dict[str, Any]) -> None:
    """Kubernetes can verify that a number is not root; group 0 is what OpenShift's users have."""
    assert configuration["User"] == "10001:0"
    assert configuration["Entrypoint"] == ["/entrypoint.sh"]


def test_labels_tell_version_and_base(configuration: dict[str, Any]) -> None:
    """Who finds the image knows what it is, without starting it."""
    labels = {name.rsplit("image.", 1)[-1]: text for name, text in configuration["Labels"].items()}

    assert labels["version"] == __version__
    assert labels["base.name"] == base_image_name()
    assert labels["title"] == "fashion-mnist-job"
    assert labels["licenses"] == "MIT"
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])


def test_image_has_no_build_tool(docker: Engine, image: str) -> None:
    """What only a build needs stays in the stage that builds."""
    found = shell(docker, image, f"command -v {' '.join(BUILD_TOOLS)}; ls /opt")

    assert found.split() == ["venv"]
    assert "No module named pip" in shell(docker, image, "python -m pip --version")
    assert "No module named 'ensurepip'" in shell(docker, image, "python -c 'import ensurepip'")


def test_bytecode_is_there(docker: Engine, image: str) -> None:
    """A read-only root cannot keep what python compiles, so nothing is left to compile."""
    imported = shell(docker, image, "python -v -c 'import job.run, matplotlib.figure' ")

    assert COMPILED_HERE.findall(imported) == []
    assert "/app/job/__pycache__/run.cpython" in imported


def test_only_temporary_folders_and_the_output_can_be_written(docker: Engine, image: str) -> None:
    """The image's own user cannot change the code that it runs."""
    script = "find / -xdev -type d -writable 2>/dev/null"
    writable = set(shell(docker, image, script).split())

    assert writable <= {"/output", "/tmp", "/var/tmp", "/run/lock", "/dev/shm"}  # noqa: S108
    assert {"/output", "/tmp"} <= writable  # noqa: S108


def test_job_is_found_without_entrypoint_and_environment(docker: Engine, image: str) -> None:
    """Slurm's container runtimes bring PATH and working folder of the host."""
    bare = ["--rm", "--network=none", "--workdir=/", "--env=PATH=/usr/bin", "--entrypoint"]
    plan = docker("run", *bare, "/opt/venv/bin/python", image, "-m", "job", "explain")

    assert "JOB_EPOCHS" in plan.stdout
