"""A training run in progress: where it stands, what it has learnt, and how that becomes durable."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from job import checkpoint, files
from job.checkpoint import Checkpoint, RunState
from job.data.split import Batches
from job.errors import DivergedError, SettingsError
from job.evaluate import Tally
from job.lease import Lease
from job.record import HISTORY_FILE, EpochRecord
from job.schedule import Schedule
from job.step import WEIGHTS, Step
from job.train import START, Position
from job.world import World

HISTORY: Final = HISTORY_FILE
CHECKPOINTS: Final = "checkpoints"
STATES_TO_A_CHECKPOINT: Final = 4  # before the first step there are no moments, and AdamW has two


@dataclass
class Session:
    """The one mutable value of a run; `settings` are those that the weights depend on.

    Every rank has one, and all make the same calls; only rank 0 writes, for as long as the folder
    is its own by the `lease`.
    """

    step: Step
    batches: Batches
    schedule: Schedule
    output_dir: Path
    keep_checkpoints: int
    settings: dict[str, Any]
    world: World
    lease: Lease = field(default_factory=Lease)
    position: Position = START
    epoch_loss: float = 0.0
    epoch_seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)
    durable: Path | None = None
    _loss_known_of: int = 0
    _epochs_written: int | None = None
    _counted_until: float | None = None
    _saved_at: float = field(default_factory=time.perf_counter)

    @property
    def steps(self) -> int:
        """Steps since the start of the run, over all attempts."""
        return self.position.epoch * len(self.batches) + self.position.batch

    @property
    def payload_limit_bytes(self) -> int:
        """The most that a checkpoint of this network can have, with the optimizer's moments."""
        held = sum(value.numel() * value.element_size() for value in self.step.state().values())
        return max(checkpoint.LIMIT_BYTES, STATES_TO_A_CHECKPOINT * held)

    @property
    def images_done(self) -> int:
        """Images of the current epoch that were trained on."""
        return min(self.position.batch * self.batches.batch_size, self.batches.images)

    @property
    def images_seen(self) -> int:
        """Images trained on since the start of the run, each epoch's counted anew."""
        return self.position.epoch * self.batches.images + self.images_done

    @property
    def outlook(self) -> str:
        """Where the run stands in a few words, for people."""
        epoch = f"epoch {self.position.epoch + 1}"
        rate = f"{self.images_done / self.epoch_seconds:,.0f} images/s" if self.images_done else ""
        accuracy = f"accuracy {self.history[-1].test_accuracy:.2%}" if self.history else ""
        return ", ".join(part for part in (epoch, rate, accuracy) if part)

    @property
    def epoch_is_over(self) -> bool:
        """Whether the last batch of an epoch was trained on and its evaluation is due."""
        return self.position.batch == len(self.batches)

    def resume(self, found: Checkpoint) -> None:
        """Go on from a checkpoint as if there had been no interruption.

        Raises `SettingsError` for one of another network.
        """
        self._require_same_network(found)
        self.step.load(found.tensors)
        self.position = Position(found.state.epoch, found.state.batch)
        self.epoch_loss = found.state.epoch_loss
        self.epoch_seconds = found.state.epoch_seconds
        self.history = list(found.state.history)
        self.durable = found.folder
        self._loss_known_of = self.images_seen
        self._epochs_written = None  # the file may be of an attempt that was killed farther on
        self._write_history()

    def start_clock(self) -> None:
        """Count the time from here on as training."""
        self._counted_until = time.perf_counter()

    def stop_clock(self) -> None:
        """Count the time up to here, and none from here on."""
        self._count()
        self._counted_until = None

    def arrive(self, position: Position) -> None:
        """Note that training has come to `position`."""
        self.position = position
        self._count()

    def collect_loss(self) -> float:
        """Return the mean loss of the images since the last call, 0 for none.

        Waits for the device, and the waiting counts as training. Raises `DivergedError` if the
        loss is not finite.
        """
        of_this_rank = torch.tensor(self.step.take_loss(), dtype=torch.float64)
        loss = float(self.world.sum(of_this_rank))
        self._count()
        self._require_finite(math.isfinite(loss), "the training loss")
        self.epoch_loss += loss
        images, self._loss_known_of = self.images_seen - self._loss_known_of, self.images_seen
        return loss / images if images else 0.0

    def finish_epoch(self, tally: Tally, test_seconds: float) -> EpochRecord:
        """Enter an epoch into the history and start the next one."""
        self._require_finite(math.isfinite(tally.loss_sum), "the test loss")
        images = self.batches.images
        result = EpochRecord(
            epoch=self.position.epoch + 1,
            step=self.steps,
            learning_rate=self.schedule(self.steps - 1),
            train_loss=self.epoch_loss / images,
            train_seconds=round(self.epoch_seconds, 6),
            images_per_second=round(images / self.epoch_seconds, 1),
            test_loss=tally.loss,
            test_accuracy=tally.accuracy,
            test_seconds=round(test_seconds, 6),
        )
        self.history.append(result)
        self.position = Position(self.position.epoch + 1, 0)
        self.epoch_loss = self.epoch_seconds = 0.0
        return result

    def save_is_due(self, every_seconds: float) -> bool:
        """Whether that much time has gone since the last checkpoint of this attempt."""
        return time.perf_counter() - self._saved_at >= every_seconds

    def save(self) -> Path | None:
        """Make all of this durable, then the history, then forget the oldest checkpoints.

        Stops the clock. Raises `DivergedError` rather than save what is not finite, `OutputError`
        where the folder is another job's by now.
        """
        self.collect_loss()
        self.stop_clock()
        tensors = self.step.state()
        self._require_finite(all_finite(tensors), "a weight")
        self._saved_at = time.perf_counter()
        if self.world.is_main:
            self._write(tensors)
        return self.durable

    def _write(self, tensors: dict[str, Tensor]) -> None:
        root = self.output_dir / CHECKPOINTS
        self.lease.require()
        self.durable = checkpoint.save(root, self.steps, self._state(), tensors)
        self.lease.require()  # a volume that was silent for long may come back in between
        self._write_history()
        checkpoint.prune(root, self.keep_checkpoints, self.durable)

    def _state(self) -> RunState:
        return RunState(
            epoch=self.position.epoch,
            batch=self.position.batch,
            epoch_loss=self.epoch_loss,
            epoch_seconds=self.epoch_seconds,
            history=self.history,
            settings=self.settings,
        )

    def _write_history(self) -> None:
        if len(self.history) == self._epochs_written or not self.world.is_main:
            return
        lines = [result.model_dump() for result in self.history]
        files.write_json_lines(self.output_dir / HISTORY, lines)
        self._epochs_written = len(self.history)

    def _count(self) -> None:
        if self._counted_until is not None:
            now = time.perf_counter()
            self.epoch_seconds += now - self._counted_until
            self._counted_until = now

    def _require_same_network(self, found: Checkpoint) -> None:
        own, other = weight_shapes(self.step.state()), weight_shapes(found.tensors)
        for name in sorted(own.keys() | other.keys()):
            if own.get(name) != other.get(name):
                there = other.get(name, "not there")
                raise SettingsError(
                    f"{found.folder} is of another network: {name} is {there}",
                    allowed=f"{name} as this network has it: {own.get(name, 'not there')}",
                    fix="set JOB_OUTPUT_DIR to another folder, or JOB_RESUME=never",
                )

    def _require_finite(self, finite: bool, what: str) -> None:
        if not finite:
            raise DivergedError(
                f"{what} is not a finite number in epoch {self.position.epoch + 1}, "
                f"step {self.steps}",
                allowed="finite numbers",
                fix="lower JOB_LEARNING_RATE; if this happens on one node only, suspect its GPU",
                checkpoint=str(self.durable or ""),
            )


def weight_shapes(state: dict[str, Tensor]) -> dict[str, list[int]]:
    """Return the shape of each weight in what a step's `state` returned, by its name."""
    return {
        name.removeprefix(WEIGHTS): list(value.shape)
        for name, value in state.items()
        if name.startswith(WEIGHTS)
    }


def all_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether every number of every tensor is finite."""
    return all(bool(torch.isfinite(value).all()) for value in tensors.values())
