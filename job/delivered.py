"""What the weights of a run are of, as the record beside them says: network, classes, images.

A record is a file that anybody may have edited: it chooses among networks that this package knows,
and never names code that is run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn

from job import artifacts, own_code
from job.data.catalog import DEFAULT
from job.data.spec import FASHION_MNIST
from job.errors import DataError
from job.model import MLP, Wanted, make
from job.pretrained import is_file
from job.record import RunRecord

PICTURE_CHANNELS: Final = (1, 3)
LIMIT_SIDE: Final = 1024
LIMIT_CHANNELS: Final = 4


@dataclass(frozen=True)
class Delivered:
    """A network to be filled with weights, what it tells apart, and the data that it learnt."""

    wanted: Wanted
    classes: tuple[str, ...]
    dataset: str = DEFAULT

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that it takes."""
        return self.wanted.shape

    @property
    def image_size(self) -> int | None:
        """The side to which the run resized its images, None for the network's own."""
        return self.wanted.image_size

    def blank_network(self) -> nn.Module:
        """The network with any weights, on the CPU."""
        return make(self.wanted, 0, torch.device("cpu"))

    def require_pictures(self) -> None:
        """Raise `DataError` for a network whose images are no pictures."""
        if self.shape[0] not in PICTURE_CHANNELS:
            raise DataError(
                f"the network takes images of {self.shape[0]} channels",
                allowed="1 for grey and 3 for colour",
                fix="use model.pt2, which torch.export.load reads without this package",
            )


QUICKSTARTS: Final = Delivered(Wanted(MLP, (1, 28, 28), 10), FASHION_MNIST.classes)


def delivered_beside(path: Path) -> Delivered:
    """What the file of weights is of; where no record lies beside it, the quickstart's network.

    Raises `DataError` for a network or data of the user's own code, and for a size that no run has.
    """
    record = artifacts.read_record(path.parent)
    if record is None or record.model is None or record.dataset.shape is None:
        return QUICKSTARTS
    dataset = str(_setting(record, "dataset") or DEFAULT)
    for name in (record.model.name, dataset):
        if own_code.is_own(name):
            raise _unknown(path, f"{name}, and code that a record names is not run")
    _require_modest(path, record.dataset.shape)
    return Delivered(_wanted(record, record.dataset.shape), _classes(record), dataset)


def _wanted(record: RunRecord, shape: tuple[int, int, int]) -> Wanted:
    size, weights = (_setting(record, name) for name in ("image_size", "model_weights"))
    return Wanted(
        name=record.model.name if record.model else MLP,
        shape=shape,
        classes=len(record.evaluation.classes),
        image_size=size if isinstance(size, int) else None,
        weights=weights if isinstance(weights, str) and not is_file(weights) else None,
    )


def _setting(record: RunRecord, name: str) -> object:
    setting = record.settings.get(name)
    return None if setting is None else setting.value


def _classes(record: RunRecord) -> tuple[str, ...]:
    return tuple(each.name for each in record.evaluation.classes)


def _require_modest(path: Path, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    if not (
        0 < channels <= LIMIT_CHANNELS
        and 0 < min(height, width) <= max(height, width) <= LIMIT_SIDE
    ):
        raise _unknown(path, f"images {shape}")


def _unknown(path: Path, what: str) -> DataError:
    return DataError(
        f"the record beside {path} says that it is of {what}",
        allowed="JOB_MODEL=mlp or a model of torchvision, on a dataset that the job knows",
        fix="use model.pt2, which torch.export.load reads without this package",
    )
