"""Claims of job.data.source."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import FashionMNIST

from datasets import FOLDERS, Layout, small_dataset
from job.data import source
from job.data.spec import FASHION_MNIST
from job.errors import DataError, ExitCode

REPOSITORY = Path(source.__file__).parents[2]


@pytest.fixture
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the one of the system package; it does not exist yet."""
    folder = tmp_path / "system"
    monkeypatch.setattr(source, "SYSTEM_FOLDERS", (folder,))
    return folder


@pytest.mark.usefixtures("system_folder")
@pytest.mark.parametrize("layout", ["flat", "torchvision"])
@pytest.mark.parametrize("gzip", [False, True])
def test_dataset_is_read_from_any_layout(tmp_path: Path, layout: Layout, *, gzip: bool) -> None:
    """Raw or packed, flat or as torchvision keeps them: the values are the same."""
    spec = small_dataset(tmp_path / "here", gzip=gzip, layout=layout)
    small_dataset(tmp_path / "plain", gzip=False)
    plain = source.read(spec, data_dir=tmp_path / "plain", offline=True)

    dataset = source.read(spec, data_dir=tmp_path / "here", offline=True)

    assert dataset.folder == tmp_path / "here" / FOLDERS[layout]
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(dataset, name), getattr(plain, name))


def test_each_file_lands_under_its_own_name(tmp_path: Path) -> None:
    """Training and test, images and labels are not mixed up, and digests go by file name."""
    spec = small_dataset(tmp_path, train=30, test=20)

    dataset = source.read(spec, data_dir=tmp_path, offline=True)

    assert dataset.train_images.shape == (30, 28, 28)
    assert dataset.train_labels.shape == (30,)
    assert dataset.test_images.shape == (20, 28, 28)
    assert dataset.test_labels.shape == (20,)
    assert dataset.digests == {file.name: file.sha256 for file in spec.files}


def test_data_dir_comes_before_the_system_folder(tmp_path: Path, system_folder: Path) -> None:
    """What the user points at wins over what the system has."""
    spec = small_dataset(tmp_path / "mine")
    small_dataset(system_folder)

    assert source.read(spec, data_dir=tmp_path / "mine", offline=True).folder == tmp_path / "mine"


def test_incomplete_place_is_passed_over(tmp_path: Path, system_folder: Path) -> None:
    """A folder that lacks one file gives way to the next place."""
    spec = small_dataset(tmp_path / "mine")
    small_dataset(system_folder)
    (tmp_path / "mine" / "train-images-idx3-ubyte.gz").unlink()

    assert source.read(spec, data_dir=tmp_path / "mine", offline=True).folder == system_folder


def test_bad_file_is_an_error_although_a_good_one_is_elsewhere(
    tmp_path: Path, system_folder: Path
) -> None:
    """A damaged file is never replaced in silence by one from another place."""
    spec = small_dataset(tmp_path / "mine", gzip=False)
    small_dataset(system_folder)
    bad = tmp_path / "mine" / spec.test_images.name
    bad.write_bytes(bad.read_bytes()[:-1])

    with pytest.raises(DataError, match=f"{bad} is truncated") as caught:
        source.read(spec, data_dir=tmp_path / "mine", offline=False)

    assert caught.value.exit_code == ExitCode.DATA


def test_wrong_shape_in_a_spec_names_the_file(tmp_path: Path) -> None:
    """A digest can be right and the shape beside it wrong; the message says in which file."""
    spec = small_dataset(tmp_path, train=28)
    wrong = replace(spec, train_images=replace(spec.train_images, shape=(14, 56, 28)))

    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz has the shape \(28, 28, 28\)"):
        source.read(wrong, data_dir=tmp_path, offline=True)


def test_offline_error_lists_every_place_and_the_ways_out(
    tmp_path: Path, system_folder: Path
) -> None:
    """A dataset that is nowhere: each place with its reason, and that the network was not asked."""
    spec = small_dataset(tmp_path / "mine")
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte.gz").unlink()
    system_folder.write_text("no folder")

    with pytest.raises(DataError) as caught:
        source.read(spec, data_dir=tmp_path / "mine", offline=True)

    assert caught.value.seen.splitlines() == [
        "small was found nowhere:",
        f"{tmp_path}/mine: lacks t10k-labels-idx1-ubyte",
        f"{tmp_path}/mine/FashionMNIST/raw: No such file or directory",
        f"{system_folder}: Not a directory",
        f"{system_folder}/FashionMNIST/raw: Not a directory",
        "the network: not asked, because JOB_DATA_OFFLINE=true",
    ]
    for way in ("JOB_DATA_DIR", "apt-get install", "make data", "JOB_DATA_OFFLINE=false"):
        assert way in caught.value.fix


@pytest.mark.usefixtures("system_folder")
def test_online_error_has_the_mirrors_failures_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mirror of torchvision is one more place that was tried."""
    spec = small_dataset(tmp_path / "elsewhere")
    mirror = (tmp_path / "mirror").as_uri() + "/"
    monkeypatch.setattr(FashionMNIST, "mirrors", [mirror])

    with pytest.raises(DataError) as caught:
        source.read(spec, data_dir=tmp_path / "mine", offline=False)

    assert f"{tmp_path}/mine: No such file or directory" in caught.value.seen.splitlines()
    assert f"{mirror}train-images-idx3-ubyte.gz: " in caught.value.seen
    assert "JOB_DATA_OFFLINE" not in caught.value.fix


def test_fashion_mnist_of_the_system_package_is_the_published_one(
    tmp_path: Path, real_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real files pass, although they were packed anew, and are not fetched."""
    monkeypatch.setattr(source, "SYSTEM_FOLDERS", (real_data_dir,))

    dataset = source.read(FASHION_MNIST, data_dir=tmp_path, offline=True)

    assert dataset.folder == real_data_dir
    assert np.bincount(dataset.train_labels).tolist() == [6000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    assert dataset.train_images.shape == (60_000, 28, 28)


def test_reading_does_not_import_torch() -> None:
    """Commands that answer at once may look for the data."""
    program = "import sys, job.data.source; sys.exit('torch' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0
    )
