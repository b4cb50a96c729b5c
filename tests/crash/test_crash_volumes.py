"""Volumes that fill up or turn read-only under a run, data that are cut, numbers that are none."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from job import checkpoint
from job.data.spec import DatasetSpec
from job.session import CHECKPOINTS, all_finite
from small_run import SmallRun, Whole, await_that
from warm import Attempt, Warm, warm_start

pytest_plugins = ["crash_fixtures"]

# The check of the node wants 256 MiB; more than that is there only to be used up.
VOLUME_SIZE: Final = "size=300m"
# Who is not root may mount in a user namespace of its own.
MAPPED: Final = () if os.geteuid() == 0 else ("--map-root-user",)


@pytest.fixture(scope="module")
def warm_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A warm start that can mount what nobody else sees."""
    folder = tmp_path_factory.mktemp("warm-apart")
    with warm_start(folder, "unshare", "--mount", *MAPPED) as server:
        yield server


@pytest.fixture
def run_on_volume(
    warm_apart: Warm, small_data: tuple[Path, DatasetSpec], tmp_path: Path
) -> Iterator[SmallRun]:
    """A run whose output folder is on a real volume, small and of its own."""
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = warm_apart.run("mount", "-t", "tmpfs", "-o", VOLUME_SIZE, "tmpfs", volume)
    assert mounted.returncode == 0, mounted.told
    yield SmallRun(warm_apart, small_data[0], volume / "output")
    warm_apart.run("umount", "--lazy", volume)


def test_volume_that_fills_up_ends_the_run_and_costs_nothing(
    run_on_volume: SmallRun, whole: Whole
) -> None:
    """73 with path and cause, the last checkpoint whole; with space again, the same results."""
    run, ballast = run_on_volume, run_on_volume.seen.with_name("ballast")
    attempt = run.start()
    run.await_checkpoint(attempt)
    while attempt.is_running:
        use_up(ballast)
    require_refused(run, attempt, "No space left on device")
    reached = run.durable_step()

    again = run.start()
    assert (again.wait().returncode, run.durable_step()) == (73, reached)

    ballast.unlink()
    run.finish()
    assert reached > 0
    assert run.results() == whole.results


def test_volume_that_turns_read_only_ends_the_run_and_costs_nothing(
    warm_apart: Warm, run_on_volume: SmallRun, whole: Whole
) -> None:
    """73 with path and cause, the last checkpoint whole; writable again, the same results."""
    run, volume = run_on_volume, run_on_volume.output.parent
    attempt = run.start()
    run.await_checkpoint(attempt)
    # A volume on which a file is open for writing cannot turn.
    await_that(lambda: warm_apart.run("mount", "-o", "remount,ro", volume).returncode == 0, attempt)
    require_refused(run, attempt, "Read-only file system")

    assert run.durable_step() > 0
    assert warm_apart.run("mount", "-o", "remount,rw", volume).returncode == 0
    run.finish()
    assert run.results() == whole.results


def test_dataset_that_is_cut_between_two_attempts_ends_in_65(
    warm: Warm, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """The file is named, the checkpoint stays, and with the whole file come the same results."""
    data = Path(shutil.copytree(small_data[0], tmp_path / "data"))
    run = SmallRun(warm, data, tmp_path / "output")
    attempt = run.start()
    run.await_checkpoint(attempt)
    attempt.kill()
    attempt.wait()
    reached, images = run.durable_step(), data / "train-images-idx3-ubyte.gz"
    uncut = images.read_bytes()
    images.write_bytes(uncut[: len(uncut) // 2])

    again = run.start()
    assert again.wait().returncode == 65
    assert images.name in again.events()[-1]["reason"]
    assert run.durable_step() == reached

    images.write_bytes(uncut)
    run.finish()
    assert run.results() == whole.results


def test_number_that_is_none_ends_the_run_and_spoils_nothing(
    warm: Warm, small_data: tuple[Path, DatasetSpec], whole: Whole, tmp_path: Path
) -> None:
    """A weight that memory has spoiled is 81; the last checkpoint is good, and goes on."""
    run = SmallRun(warm, small_data[0], tmp_path / "output")
    attempt = run.start("spoiled job")

    assert attempt.wait().returncode == 81, attempt.log.read_text()
    found = checkpoint.latest(run.output / CHECKPOINTS)
    assert found is not None
    assert all_finite(found.tensors)
    run.finish()
    assert run.results() == whole.results


def use_up(ballast: Path) -> None:
    """Add to a file until nothing more fits on its volume."""
    with ballast.open("ab", buffering=0) as file:
        for size in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def require_refused(run: SmallRun, attempt: Attempt, cause: str) -> None:
    """The attempt ends in 73, and names a path on the volume and the cause."""
    assert attempt.wait().returncode == 73, attempt.log.read_text()
    told = attempt.events()[-1]
    assert told["reason"].startswith(f"cannot write {run.output}/")
    assert told["reason"].endswith(cause)
