"""Claims about `job.data.catalog`."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from job.data import catalog
from job.data.siblings import known
from job.errors import DataError
from job.settings.names import DatasetName
from other_data import image_folder

NAMES = get_args(get_args(DatasetName)[0])


@pytest.mark.parametrize("name", [name for name in NAMES if name != catalog.DEFAULT])
def test_every_name_that_is_allowed_is_read(tmp_path: Path, name: str) -> None:
    """In an empty folder and offline each says what it lacks."""
    with pytest.raises(DataError):
        catalog.reader(name)(data_dir=tmp_path / "none", offline=True)


@pytest.mark.parametrize("name", [name for name in NAMES if "mnist" in name and "-m" not in name])
def test_torchvision_knows_every_sibling(name: str) -> None:
    """Four files, and where they are published."""
    sibling = known(name)

    assert len(set(sibling.files)) == 4
    assert sibling.archive or set(sibling.published) == set(sibling.files)
    assert len(sibling.classes) >= 10


@pytest.mark.parametrize(
    ("model", "image_size", "side"), [("mlp", None, 28), ("resnet18", None, 224), ("mlp", 16, 16)]
)
def test_pictures_are_read_in_the_size_that_the_model_is_for(
    tmp_path: Path, model: str, image_size: int | None, side: int
) -> None:
    """A size that is set wins."""
    reader = catalog.reader("image-folder", model, image_size)
    image_folder(tmp_path, train=1, test=1)

    assert reader(data_dir=tmp_path, offline=True).shape == (3, side, side)


def test_default_imports_nothing_of_the_others() -> None:
    """The quickstart's run starts as fast as before there were any."""
    code = (
        "import sys; from job.data import catalog; catalog.reader('fashion-mnist');"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'PIL')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert catalog.may_be_read_ahead("fashion-mnist")
    assert not catalog.may_be_read_ahead("a:b")
