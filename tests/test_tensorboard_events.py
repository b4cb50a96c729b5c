"""Claims about `job.tensorboard.events`, each seen through TensorBoard's own loader."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS

from job.record import EpochRecord
from job.tensorboard.events import PICTURE, SCALARS, EventFile, event_files, points

EVERYTHING: Final = {"scalars": 0, "images": 0, "tensors": 0}
HYPERPARAMETERS: Final[Mapping[str, bool | float | str | None]] = {
    "image_size": None,
    "learning_rate": 0.001,
    "optimizer": "sgd",
    "nesterov": False,
    "epochs": 5,
}


def epochs(count: int, first_try: float = 0.0) -> list[EpochRecord]:
    """The records of as many epochs, with other numbers for each of them and for each try."""
    return [
        EpochRecord(
            epoch=number,
            step=10 * number,
            learning_rate=0.1 / number,
            train_loss=first_try + 2 / number,
            train_seconds=1.0,
            images_per_second=1000.0 + number,
            test_loss=first_try + 3 / number,
            test_accuracy=1 - 1 / (1 + number),
            test_seconds=0.5,
        )
        for number in range(1, count + 1)
    ]


def loaded(folder: Path) -> Any:
    """What TensorBoard has of a folder."""
    found = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    found.Reload()
    return found


def require_history(folder: Path, history: Sequence[EpochRecord]) -> None:
    """TensorBoard has exactly these epochs, each once, with the numbers of their records."""
    found = loaded(folder)
    assert set(found.Tags()["scalars"]) == set(SCALARS)
    for tag, name in SCALARS.items():
        expected = [(each.epoch, float(np.float32(getattr(each, name)))) for each in history]
        assert [(each.step, each.value) for each in found.Scalars(tag)] == expected


def write(folder: Path, history: Sequence[EpochRecord], more: Sequence[EpochRecord] = ()) -> Path:
    """An attempt that goes on after `history`, sees `more`, and is killed; its file."""
    with EventFile(folder) as events:
        events.begin(history, HYPERPARAMETERS)
        for epoch in more:
            events.add_epoch(epoch, ended_at=1_700_000_000.5)
    return event_files(folder)[-1]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG as the report draws them."""
    path = tmp_path / "picture.png"
    Image.new("RGBA", (30, 20), "red").save(path)
    return path


def test_tensorboard_has_each_epoch_as_its_record_has_it(tmp_path: Path) -> None:
    """Once each, by the number of the epoch, at the time it ended."""
    write(tmp_path, [], epochs(5))

    require_history(tmp_path, epochs(5))
    assert {each.wall_time for each in loaded(tmp_path).Scalars("loss/test")} == {1_700_000_000.5}


def test_epochs_beyond_the_checkpoint_are_replaced(tmp_path: Path) -> None:
    """What a killed attempt did after its last checkpoint is done again, and counts only then."""
    before, again = epochs(5), epochs(6, first_try=0.5)
    write(tmp_path, [], before)
    write(tmp_path, before[:3])
    require_history(tmp_path, before[:3])
    write(tmp_path, before[:3], again[3:])

    require_history(tmp_path, [*before[:3], *again[3:]])
    assert len(event_files(tmp_path)) == 3


def test_epochs_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    """A later file has what is new."""
    write(tmp_path, [], epochs(200))
    later = write(tmp_path, epochs(200), epochs(201)[200:])

    assert later.stat().st_size < 500
    require_history(tmp_path, epochs(201))


@pytest.mark.parametrize("kept", [0, 1, 20, 700, 1001, 1002, 1100, 1300])
def test_epochs_that_a_killed_writer_lost_come_back(tmp_path: Path, kept: int) -> None:
    """Wherever its file ends, between two records or in the middle of one."""
    path = write(tmp_path, [], epochs(5))
    path.write_bytes(path.read_bytes()[:kept])
    write(tmp_path, epochs(5), epochs(6)[5:])

    require_history(tmp_path, epochs(6))


@pytest.mark.parametrize("place", [3, 9, 14, 900, -100, -2])
def test_epochs_behind_a_damaged_byte_come_back(tmp_path: Path, place: int) -> None:
    """TensorBoard reads no farther than that, and neither do we."""
    path = write(tmp_path, [], epochs(5))
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 0x40
    path.write_bytes(damaged)
    write(tmp_path, epochs(5))

    require_history(tmp_path, epochs(5))


def test_training_that_begins_anew_forgets_the_one_before(tmp_path: Path) -> None:
    """Of it nothing else is left either; what is no event file stays."""
    (tmp_path / "notes.txt").touch()
    write(tmp_path, [], epochs(5))
    path = write(tmp_path, [], epochs(2, first_try=0.5))

    require_history(tmp_path, epochs(2, first_try=0.5))
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, "notes.txt"]


def test_history_is_written_where_nobody_watched_before(tmp_path: Path) -> None:
    """TensorBoard may be asked for in the middle of a run."""
    write(tmp_path, epochs(3), epochs(4)[3:])

    require_history(tmp_path, epochs(4))


def test_later_file_is_read_later_whatever_the_clocks_say(tmp_path: Path) -> None:
    """Its name goes by what is there, as that of another node whose clock is ahead."""
    path = write(tmp_path, [], epochs(5))
    path.rename(tmp_path / "events.out.tfevents.9000000000.node-7.12.0")
    assert write(tmp_path, epochs(2)).name == "events.out.tfevents.9000000001.job"

    require_history(tmp_path, epochs(2))


def test_confusion_matrix_is_the_picture_of_the_report(tmp_path: Path, picture: Path) -> None:
    """At the last epoch, byte for byte, with its size."""
    with EventFile(tmp_path) as events:
        events.begin(epochs(4), HYPERPARAMETERS)
        events.finish(picture)
    (found,) = loaded(tmp_path).Images(PICTURE)

    assert (found.step, found.width, found.height) == (4, 30, 20)
    assert found.encoded_image_string == picture.read_bytes()
    assert Image.open(io.BytesIO(found.encoded_image_string)).size == (30, 20)


def test_run_that_is_finished_twice_has_one_end(tmp_path: Path, picture: Path) -> None:
    """An attempt that was killed before the record was written leaves the next one only that."""
    for _ in range(2):
        with EventFile(tmp_path) as events:
            events.begin(epochs(4), HYPERPARAMETERS)
            events.finish(picture)

    assert len(loaded(tmp_path).Images(PICTURE)) == 1
    assert len(loaded(tmp_path).Tensors(metadata.SESSION_END_INFO_TAG)) == 1
    require_history(tmp_path, epochs(4))


def test_hyperparameters_stand_beside_the_final_metrics(tmp_path: Path, picture: Path) -> None:
    """As TensorBoard's own plugin reads them: the session with its values, metrics by tags."""
    with EventFile(tmp_path) as events:
        events.begin([], HYPERPARAMETERS)
        events.finish(picture)
    found = loaded(tmp_path)
    content = {
        tag: found.SummaryMetadata(tag).plugin_data.content for tag in found.Tags()["tensors"]
    }
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    session = metadata.parse_session_start_info_plugin_data(
        content[metadata.SESSION_START_INFO_TAG]
    )
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])

    assert {each.name for each in experiment.hparam_infos} == {*HYPERPARAMETERS} - {"image_size"}
    assert {each.name.tag for each in experiment.metric_infos} <= set(SCALARS)
    assert session.hparams["learning_rate"].number_value == 0.001
    assert session.hparams["optimizer"].string_value == "sgd"
    assert session.hparams["nesterov"].HasField("bool_value")
    assert end.status == STATUS_SUCCESS


def test_hyperparameters_are_written_once(tmp_path: Path) -> None:
    """However many attempts there are."""
    for count in (1, 2, 3):
        write(tmp_path, epochs(count))

    assert len(loaded(tmp_path).Tensors(metadata.SESSION_START_INFO_TAG)) == 1


def test_volume_that_is_full_is_an_error_at_once(tmp_path: Path) -> None:
    """It is not found out at the end, when nobody can be told."""
    with EventFile(tmp_path) as events:
        events._file.close()
        events._file = Path("/dev/full").open("wb")  # noqa: SIM115  # whose end is that of `events`
        with pytest.raises(OSError, match="No space left"):
            events.begin([], HYPERPARAMETERS)


def test_points_are_those_that_tensorboard_has(tmp_path: Path) -> None:
    """The reader here and TensorBoard's agree, files of several attempts together."""
    write(tmp_path, [], epochs(5))
    write(tmp_path, epochs(2), epochs(3)[2:])
    found = loaded(tmp_path)
    expected = {(tag, each.step) for tag in SCALARS for each in found.Scalars(tag)}

    assert {point for point in points(event_files(tmp_path)) if point[0] in SCALARS} == expected
