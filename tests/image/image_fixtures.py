"""What the image tests share: one built image, the engines that run it, one finished run.

IMAGE_WORKSHOP=/some/folder keeps the stores there between runs, so that builds come from the cache;
without it they lie in a temporary folder and go at the end. They take 30 GB, and 23 where they
need not last.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from docker_daemon import docker_daemon
from docker_page import restricted_lines
from engine import Engine, MakeFolder, done
from job import __version__
from podman_store import podman_store
from stand_ins import ROOT, base_image_name, make_base_image

IMAGE: Final = f"fashion-mnist-job:{__version__}"


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """The folder of the stores; its path is short, because a socket's may have 107 characters."""
    kept = os.environ.get("IMAGE_WORKSHOP")
    folder = Path(kept or tempfile.mkdtemp(prefix="image-"))
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    if not kept:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def docker(workshop: Path) -> Iterator[Engine]:
    """A real Docker daemon that has the Dockerfile's base image, or its stand-in."""
    with docker_daemon(workshop) as engine:
        engine.checked("import", make_base_image(workshop / "base.tar"), base_image_name())
        yield engine


@pytest.fixture(scope="session")
def image(docker: Engine) -> str:
    """The very image that ships, built by the command of the documentation."""
    done(docker.shell(["make", "image", "IMAGE_OPTIONS=--network host"], ROOT))
    if "IMAGE_WORKSHOP" not in os.environ:
        docker.checked("builder", "prune", "--all", "--force")
    return IMAGE


@pytest.fixture(scope="session")
def podman(workshop: Path, docker: Engine, image: str) -> Iterator[Engine]:
    """A podman that has the image which Docker has built."""
    with podman_store(workshop) as engine:
        if image_id(engine, image) != image_id(docker, image):
            archive = workshop / "image.tar"
            docker.checked("save", "--output", archive, image)
            engine.checked("load", "--quiet", "--input", archive)
            archive.unlink()
        yield engine


@pytest.fixture(scope="session")
def output_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Makes an output volume that any user of a container may write to."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        folder.chmod(0o777)
        for parent in folder.parents[:2]:  # pytest keeps its folders for their owner alone
            parent.chmod(0o755)
        return folder

    return make


@pytest.fixture(scope="session")
def finished(docker: Engine, image: str, output_folder: MakeFolder) -> Path:
    """The output of one epoch on the real data inside the image, by the page's restricted lines."""
    folder = output_folder("finished")
    lines = restricted_lines().replace("docker run", "docker run --env=JOB_EPOCHS=1", 1)

    assert image in lines
    done(docker.shell(lines, folder))
    return folder / "output"


def image_id(engine: Engine, image: str) -> str:
    """The digest of its configuration; empty where the engine does not have it."""
    found = engine("image", "inspect", "--format={{.Id}}", image)
    return found.stdout.strip().removeprefix("sha256:") if found.returncode == 0 else ""
