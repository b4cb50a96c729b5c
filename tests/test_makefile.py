"""Claims about the Makefile: which engine builds and runs the image, and with which options."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
IMAGE: Final = "--tag fashion-mnist-job:"
TOOLS: Final = ("sh", "mkdir", "sed")
# Stands in for an engine: says how it was called.
SAY: Final = '#!/bin/sh\necho "$(basename "$0") $*"\n'
ME: Final = "#!/bin/sh\necho 1000\n"
ROOT_USER: Final = "#!/bin/sh\necho 0\n"


def _make(
    folder: Path, *arguments: str, engines: tuple[str, ...], user: str = ME
) -> subprocess.CompletedProcess[str]:
    """Call make in `folder`, where these engines are on the path and nothing else is."""
    programs = folder / "programs"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(str(shutil.which(tool)))
    for name, text in {"git": SAY, "id": user, "basename": "#!/bin/sh\necho ${1##*/}\n"}.items():
        _write(programs / name, text)
    for engine in engines:
        _write(programs / engine, SAY)
    make = str(shutil.which("make"))
    return subprocess.run(
        [make, "--silent", "-f", str(ROOT / "Makefile"), *arguments],
        cwd=folder,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _write(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("engines", "taken"),
    [
        (("docker", "podman", "buildah"), "docker"),
        (("podman", "buildah"), "podman"),
        (("buildah",), "buildah"),
    ],
)
def test_image_is_built_by_the_first_engine_that_is_here(
    tmp_path: Path, engines: tuple[str, ...], taken: str
) -> None:
    """All three take the same options, and any of them is enough."""
    done = _make(tmp_path, "image", engines=engines)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{taken} build --label ")
    assert f" --target cuda {IMAGE}" in done.stdout


def test_engine_that_is_named_goes_before_the_first(tmp_path: Path) -> None:
    """Who has two of them chooses."""
    done = _make(tmp_path, "image", "ENGINE=podman", engines=("docker", "podman"))

    assert done.stdout.startswith("podman build ")


@pytest.mark.parametrize(
    ("target", "arguments", "engines", "named"),
    [
        ("image", (), (), "docker, podman or buildah"),
        ("image-run", (), (), "docker or podman"),
        ("image-run", (), ("buildah",), "docker or podman"),
        ("image-run", ("ENGINE=buildah",), ("docker", "buildah"), "docker or podman"),
    ],
)
def test_missing_engine_is_named(
    tmp_path: Path,
    target: str,
    arguments: tuple[str, ...],
    engines: tuple[str, ...],
    named: str,
) -> None:
    """Instead of a command that is not found: buildah builds images, and runs none."""
    done = _make(tmp_path, target, *arguments, engines=engines)

    assert done.returncode != 0
    assert f"install {named}, or name it: ENGINE=..." in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("engine", "user", "options"),
    [
        ("docker", ME, "--gpus all --user 1000:0"),
        ("podman", ME, "--device nvidia.com/gpu=all --userns=keep-id --user 1000:0"),
        ("podman", ROOT_USER, "--device nvidia.com/gpu=all --user 0:0"),
    ],
)
def test_run_asks_for_the_gpus_and_for_a_user_who_may_write(
    tmp_path: Path, engine: str, user: str, options: str
) -> None:
    """A rootless podman must keep the user's number to write to the folder; root's refuses to."""
    done = _make(tmp_path, "image-run", engines=(engine,), user=user)

    assert done.returncode == 0, done.stderr
    assert f"{engine} run --rm {options} -v {tmp_path}/output:/output" in " ".join(
        done.stdout.split()
    )
    assert (tmp_path / "output").is_dir()
