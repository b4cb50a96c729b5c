"""Saves that can be told apart, and the ways in which a run saves: what the proofs break off."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from job import checkpoint, files
from job.checkpoint import RunState
from job.record import EpochRecord
from job.session import CHECKPOINTS, HISTORY

KEEP: Final = 2
WEIGHTS: Final = 2600  # three blocks of a volume: one that is whole, and one that is cut


@dataclass(frozen=True)
class Save:
    """A checkpoint of some step, told from others by its generation.

    Two saves of one step have the same tensors, as of a run that is exact, or not the same, as of
    one that went on elsewhere.
    """

    step: int
    generation: int

    def tensors(self) -> dict[str, Tensor]:
        """Some kilobytes of numbers."""
        numbers = torch.Generator().manual_seed(2 * self.step + self.generation % 2)
        return {"weight": torch.rand(WEIGHTS, generator=numbers), "step": torch.tensor(self.step)}

    def program(self, output: Path) -> list[str]:
        """What a warm start is to become for it."""
        return ["save", str(self.step), str(self.generation), str(output)]


@dataclass(frozen=True)
class Scenario:
    """The saves that went well before, and the one that is broken off."""

    before: tuple[Save, ...]
    broken: Save

    @property
    def old(self) -> int | None:
        """The generation that is in charge before."""
        return self.before[-1].generation if self.before else None

    @property
    def new(self) -> int:
        """The one that is in charge afterwards, if all goes well."""
        return self.broken.generation

    def prepare(self, output: Path) -> None:
        """Bring an output folder to where the save begins."""
        output.mkdir(exist_ok=True)
        for each in self.before:
            perform(each, output)


TWO: Final = (Save(10, 1), Save(20, 2))
SCENARIOS: Final = {
    "first": Scenario((), Save(10, 1)),
    "next": Scenario(TWO, Save(30, 3)),
    # A stop at the end of an epoch saves its last step twice: before its evaluation, and after.
    "again": Scenario(TWO, Save(20, 4)),
    "again, with other weights": Scenario(TWO, Save(20, 3)),
}


def perform(save: Save, output: Path) -> None:
    """Save as `Session.save` does: the checkpoint, then the history, then the oldest go."""
    root = output / CHECKPOINTS
    state = state_of(save.generation)
    saved = checkpoint.save(root, save.step, state, save.tensors())
    files.write_json_lines(output / HISTORY, [each.model_dump() for each in state.history])
    checkpoint.prune(root, KEEP, saved)


def found_in(output: Path) -> int | None:
    """The generation that a restart would go on from, None to begin; nothing else is allowed."""
    found = checkpoint.latest(output / CHECKPOINTS)
    if found is None:
        return None
    generation = found.state.batch
    assert found.state == state_of(generation)
    expected = Save(found.step, generation).tensors()
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.items())
    return generation


def state_of(generation: int) -> RunState:
    """A position and a history that no other generation has."""
    epoch = EpochRecord(
        epoch=1,
        step=generation,
        learning_rate=0.1,
        train_loss=1 / (generation + 2),
        train_seconds=0.5,
        images_per_second=20.0,
        test_loss=1 / (generation + 3),
        test_accuracy=0.5,
        test_seconds=0.1,
    )
    return RunState(
        epoch=1,
        batch=generation,
        epoch_loss=1 / (generation + 4),
        epoch_seconds=1.5,
        history=[epoch],
        settings={"seed": 3},
    )
