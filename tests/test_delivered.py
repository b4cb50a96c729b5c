"""Claims about `job.delivered`: what a record may say of the weights beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from job.data.spec import FASHION_MNIST
from job.delivered import delivered_beside
from job.errors import DataError
from report_records import run_record


def _beside(folder: Path, changes: dict[str, Any]) -> Path:
    written = json.loads(run_record().model_dump_json())
    settings = {"model": "resnet18", "dataset": "cifar10", "image_size": 64, "model_weights": None}
    settings |= changes.pop("settings", {})
    written["model"] = {"name": settings["model"], "weights": None, "weights_sha256": None}
    written["dataset"]["shape"] = (3, 32, 32)
    written["settings"] = {
        name: {"value": value, "origin": "flag"} for name, value in settings.items()
    }
    written["dataset"] |= changes
    (folder / "metrics.json").write_text(json.dumps(written))
    return folder / "model.pth"


def test_without_a_record_the_weights_are_the_quickstarts(tmp_path: Path) -> None:
    """As they were before there were others."""
    delivered = delivered_beside(tmp_path / "model.pth")

    assert (delivered.wanted.name, delivered.shape) == ("mlp", (1, 28, 28))
    assert delivered.classes == FASHION_MNIST.classes


def test_record_says_which_network_it_is(tmp_path: Path) -> None:
    """By name, shape and classes; it is built without downloading anything."""
    delivered = delivered_beside(_beside(tmp_path, {}))

    assert (delivered.wanted.name, delivered.shape, delivered.image_size) == (
        "resnet18",
        (3, 32, 32),
        64,
    )
    assert delivered.dataset == "cifar10"
    assert len(delivered.classes) == delivered.wanted.classes
    assert delivered.blank_network()(_zeros()).shape == (1, delivered.wanted.classes)


def test_record_of_old_is_of_the_quickstarts_network(tmp_path: Path) -> None:
    """It has no word for any other."""
    assert delivered_beside(_beside(tmp_path, {"shape": None})).wanted.name == "mlp"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"settings": {"model": "os:remove"}}, "os:remove, and code that a record names"),
        ({"settings": {"dataset": "os:remove"}}, "os:remove, and code that a record names"),
        ({"shape": (1, 10**6, 10**6)}, "images"),
        ({"shape": (0, 28, 28)}, "images"),
        ({"shape": (3, -1, 28)}, "images"),
    ],
)
def test_record_cannot_ask_for_code_or_memory(
    tmp_path: Path, changes: dict[str, Any], cause: str
) -> None:
    """Anybody may have edited it; the program beside it works without this package."""
    with pytest.raises(DataError, match=cause) as caught:
        delivered_beside(_beside(tmp_path, changes))

    assert "model.pt2" in caught.value.fix


def test_images_that_are_no_pictures_are_told(tmp_path: Path) -> None:
    """Two channels, for instance."""
    with pytest.raises(DataError, match="2 channels"):
        delivered_beside(_beside(tmp_path, {"shape": (2, 8, 8)})).require_pictures()


def _zeros() -> Any:
    import torch  # noqa: PLC0415  # only the one test needs it

    return torch.zeros(1, 3, 32, 32)
