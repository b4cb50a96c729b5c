"""The built image under Charliecloud: slurm/train-multi-node.sh on two nodes of a real cluster.

    IMAGE_ROOT=/some/folder pytest tests/image/test_image_charliecloud.py

takes the root file system of an image that was unpacked there (`docker export`), and needs no
docker; without it the image is built first, as for the other tests of this folder.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from engine import Engine, done

sys.path[:0] = [str(Path(__file__).parents[1] / "slurm")]

from slurm_image import NAME, unpacked  # noqa: E402  # the path above comes first
from slurm_job import Job, submit  # noqa: E402
from slurm_user import User, user_of_a_cluster  # noqa: E402

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

# Four processes share the processors of one machine here.
SETTINGS: Final = {"OMP_NUM_THREADS": "1", "JOB_RUNTIME": "charliecloud", "JOB_EPOCHS": "1"}
# Of the losses of 938 steps, with sums that are cut in four.
TOLERANCE: Final = 1e-4


@pytest.fixture(scope="module")
def image_root(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The root file system of the image."""
    if told := os.environ.get("IMAGE_ROOT"):
        yield Path(told)
        return
    root = Path(request.getfixturevalue("workshop")) / "root"
    unpack(request.getfixturevalue("docker"), request.getfixturevalue("image"), root)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def user(image_root: Path) -> Iterator[User]:
    """The user of a cluster whose nodes have the image."""
    with user_of_a_cluster(nodes=2, image=unpacked(image_root)) as user:
        yield user


def unpack(docker: Engine, image: str, root: Path) -> None:
    """Make `root` the file system of an image, as docs/slurm.md says."""
    if root.exists():
        shutil.rmtree(root)
    root.mkdir()
    container = docker.checked("create", image)
    line = f"docker export {container} | tar --extract --directory={shlex.quote(str(root))}"
    done(docker.shell(f"set -o pipefail; {line}"))
    docker.checked("rm", container)


def finished(user: User, script: str) -> Job:
    """A job in the image, which finds the real dataset there."""
    job = submit(user, script, JOB_IMAGE=str(user.cluster.folder / NAME), **SETTINGS)
    assert job.await_end()["JobState"] == "COMPLETED", job.log
    return job


def test_built_image_trains_on_two_nodes_as_on_one(user: User) -> None:
    """Results and settings find their way; four ranks learn from the real data what one does."""
    alone, together = (finished(user, name) for name in ("train.sh", "train-multi-node.sh"))

    assert '"output": "/output"' in together.log
    assert '"images": 60000' in together.log
    assert '"size": 4, "nodes": 2' in together.log
    assert together.losses(1) == pytest.approx(alone.losses(1), rel=TOLERANCE)
