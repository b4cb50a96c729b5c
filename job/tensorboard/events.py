"""Event files as TensorBoard reads them: one for each attempt, in the order of their numbers.

    tensorboard/events.out.tfevents.0000000002.job

Read together they have each epoch once, whatever was killed when: an attempt looks at what is
there, says from which epoch on earlier files no longer count (a session log with the status START,
which TensorBoard obeys), and writes the epochs that are missing. TensorBoard reads the files in the
order of their names, which here is that of the attempts; the usual names have clocks in them.
"""

import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams import metadata, summary_v2
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from job import files
from job.reading import read_bounded
from job.record import EpochRecord

PATTERN: Final = "events.out.tfevents.*"
VERSION: Final = "brain.Event:2"  # of the files in which session logs count
LIMIT_BYTES: Final = 2**28  # of an earlier file, in which an epoch takes some 200 bytes
LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
# The tags of an epoch, and what they are called in its record.
SCALARS: Final = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "accuracy/test": "test_accuracy",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}
METRICS: Final = ("accuracy/test", "loss/test", "loss/train")
PICTURE: Final = "confusion_matrix"

Point = tuple[str, int]
Hyperparameters = Mapping[str, bool | float | str | None]


class EventFile:
    """The file of this attempt in `folder`, which must be there."""

    def __init__(self, folder: Path) -> None:
        """Open a new file that is read after all others."""
        self._folder = folder
        self._earlier = event_files(folder)
        self._known: set[Point] = set()
        self._epochs = 0
        number = 1 + max((_number(path) for path in self._earlier), default=0)
        self._file: BinaryIO = (folder / f"events.out.tfevents.{number:010}.job").open("xb")

    def begin(self, history: Sequence[EpochRecord], hyperparameters: Hyperparameters) -> None:
        """Let all files together have the epochs of `history`, and none after them.

        Where it has none, earlier files are of a training of which nothing is left, and go.
        """
        if not history:
            for path in self._earlier:
                files.remove_file(path)
        self._known = points(self._earlier) if history else set()
        first = self._first_missing(history)
        self._write(Event(file_version=VERSION))
        self._write(Event(step=first, session_log=SessionLog(status=SessionLog.START)))
        self._describe(hyperparameters)
        self._epochs = first - 1
        for epoch in history[first - 1 :]:
            self.add_epoch(epoch, time.time())

    def add_epoch(self, epoch: EpochRecord, ended_at: float) -> None:
        """Write the scalars of an epoch that ended at that time, in seconds since 1970.

        They are one record, which a killed writer leaves as a whole or not at all.
        """
        numbers = {tag: getattr(epoch, name) for tag, name in SCALARS.items()}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
        summary = Summary(value=values)
        self._write(Event(step=epoch.epoch, wall_time=ended_at, summary=summary))
        self._epochs = epoch.epoch

    def finish(self, picture: Path) -> None:
        """Write the confusion matrix, a PNG, and that the run has succeeded; once for all files."""
        if (PICTURE, self._epochs) in self._known:
            return
        values = [Summary.Value(tag=PICTURE, image=_image(picture)), _success()]
        self._write(Event(step=self._epochs, summary=Summary(value=values)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, of which all is written already."""
        with suppress(OSError):  # what could not be written was told then
            self._file.close()

    def _first_missing(self, history: Sequence[EpochRecord]) -> int:
        for epoch in history:
            if any((tag, epoch.epoch) not in self._known for tag in SCALARS):
                return epoch.epoch
        return len(history) + 1

    def _describe(self, hyperparameters: Hyperparameters) -> None:
        """Say which settings the run has, and which numbers are its results; once for all files.

        The format has no word for a setting that is unset, so that one is left out.
        """
        if (metadata.SESSION_START_INFO_TAG, 0) in self._known:
            return
        chosen = {name: value for name, value in hyperparameters.items() if value is not None}
        names = [summary_v2.HParam(name) for name in chosen]
        metrics = [summary_v2.Metric(tag) for tag in METRICS]
        experiment = summary_v2.hparams_config_pb(names, metrics)
        session = summary_v2.hparams_pb(chosen)
        self._write(Event(step=0, summary=Summary(value=[*experiment.value, *session.value])))

    def _write(self, event: Event) -> None:
        event.wall_time = event.wall_time or time.time()
        RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()  # to be read along; never synced, because nothing depends on it


def event_files(folder: Path) -> list[Path]:
    """The event files in `folder`, in the order in which they are read."""
    return sorted(folder.glob(PATTERN))


def points(paths: Iterable[Path]) -> set[Point]:
    """What TensorBoard finds in these files, read in that order: tags with the steps they have."""
    found: set[Point] = set()
    for path in paths:
        for record in _records(read_bounded(path, LIMIT_BYTES)):
            event = Event.FromString(record)
            if event.session_log.status == SessionLog.START:
                found = {point for point in found if point[1] < event.step}
            found |= {(value.tag, event.step) for value in event.summary.value}
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a file, up to the first that is torn or damaged."""
    place = 0
    while (length := _checked(data, place, LENGTH.size)) is not None:
        place += LENGTH.size + CHECKSUM.size
        record = _checked(data, place, *LENGTH.unpack(length))
        if record is None:
            return
        yield record
        place += len(record) + CHECKSUM.size


def _checked(data: bytes, place: int, size: int) -> bytes | None:
    """The `size` bytes from `place` on if the checksum after them is theirs."""
    end = place + size
    content, checksum = data[place:end], data[end : end + CHECKSUM.size]
    return content if checksum == CHECKSUM.pack(masked_crc32c(content)) else None


def _number(path: Path) -> int:
    digits = path.name.split(".")[3]
    return int(digits) if digits.isdecimal() else 0


def _image(path: Path) -> Any:
    png = read_bounded(path, LIMIT_BYTES)
    with Image.open(path) as picture:
        width, height = picture.size
        channels = len(picture.getbands())
    return Summary.Image(width=width, height=height, colorspace=channels, encoded_image_string=png)


def _success() -> Any:
    ended = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
    return Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(HParamsPluginData(session_end_info=ended)),
        tensor=metadata.NULL_TENSOR,
    )
