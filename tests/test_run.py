"""The whole job in one process, over the small dataset: what it leaves, and how it ends."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
import torch

from contestants import leave_behind
from job import artifacts, checkpoint, weights
from job.artifacts import read_record
from job.data import source
from job.data.ahead import ReadAhead
from job.data.spec import DatasetSpec
from job.errors import (
    DataError,
    DivergedError,
    ExitCode,
    InterruptedRunError,
    JobError,
    OutputError,
    QualityError,
    SettingsError,
    UnfitNodeError,
)
from job.record import RunRecord
from job.session import CHECKPOINTS
from job.settings import Settings
from job.stop import StopFlag
from job.stopwatch import Stopwatch
from job.world import ALONE, Placement

Start = Callable[..., RunRecord]

PROMISED: Final = {
    "attempts.jsonl",
    "checkpoints",
    "heartbeat.json",
    "lease",
    "metrics.json",
    "metrics.jsonl",
    "model.pt2",
    "model.pth",
    "model.safetensors",
    "plots",
    "preflight.json",
    "report.html",
}
QUICK: Final = {"epochs": 2, "learning_rate": 0.02}


@pytest.fixture(scope="session")
def start_run(small_data: tuple[Path, DatasetSpec]) -> Start:
    """`run` with settings as keywords, over the small dataset."""
    from job import run as room  # noqa: PLC0415  # importing torch is slow; only these tests need it

    folder, spec = small_data

    def start(
        output_dir: Path,
        stop: StopFlag | None = None,
        place: Placement = ALONE.placement,
        **settings: Any,
    ) -> RunRecord:
        chosen = {"data_dir": folder, "data_offline": True, **QUICK, **settings}
        values = Settings(output_dir=output_dir, **chosen)
        values._origins.update(dict.fromkeys(Settings.model_fields, "default"))
        read = partial(source.read, spec)
        data = ReadAhead(read, data_dir=values.data_dir, offline=values.data_offline)
        stop = stop or StopFlag()
        record = room.run(values, stop, Stopwatch(), data, leave=_never, place=place)
        assert record is not None
        return record

    return start


@pytest.fixture(scope="session")
def finished(start_run: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    """A run that went through: its folder and its record. Tests leave the folder as it is."""
    folder = tmp_path_factory.mktemp("finished") / "output"
    return folder, start_run(folder)


@pytest.fixture
def finished_copy(finished: tuple[Path, RunRecord], tmp_path: Path) -> Path:
    """The folder of a finished run, to do with as a test likes."""
    return Path(shutil.copytree(finished[0], tmp_path / "output"))


def _never(error: JobError) -> None:
    raise AssertionError(f"the main thread was taken for stuck: {error}")


def stopped() -> StopFlag:
    """A stop that was asked for before anything began."""
    flag = StopFlag()
    flag.request("SIGTERM")
    return flag


def attempts_in(folder: Path) -> list[dict[str, Any]]:
    """The ledger's lines."""
    return [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_output_volume_holds_what_the_contract_promises(finished: tuple[Path, RunRecord]) -> None:
    """Every name, and no other."""
    folder, _ = finished

    assert {path.name for path in folder.iterdir()} == PROMISED
    assert [path.name for path in sorted((folder / CHECKPOINTS).iterdir())] == [
        "step-00000010",
        "step-00000020",
    ]


def test_record_describes_every_artifact_as_it_lies_there(
    finished: tuple[Path, RunRecord],
) -> None:
    """Size and SHA-256 of the record are those of the file."""
    folder, record = finished
    expected = {"model.safetensors", "model.pth", "model.pt2", "metrics.jsonl", "report.html"}

    assert expected <= record.artifacts.keys()
    for name, artifact in record.artifacts.items():
        path = folder / name
        assert (artifact.bytes, artifact.sha256) == (path.stat().st_size, digest(path)), name


def test_record_on_disk_is_the_record(finished: tuple[Path, RunRecord]) -> None:
    """`metrics.json` reads back as what the run returned, but for the attempt's own end."""
    folder, record = finished

    assert read_record(folder) == record


def test_record_has_the_surest_mistakes_of_the_whole_test_set(
    finished: tuple[Path, RunRecord], small_data: tuple[Path, DatasetSpec]
) -> None:
    """As many as the confusion matrix has off its diagonal, twelve at most, and each is one."""
    _, record = finished
    labels = source.read(small_data[1], data_dir=small_data[0], offline=True).test_labels
    found = record.evaluation.confident_mistakes or []
    made = sum(map(sum, record.evaluation.confusion)) - sum(
        row[place] for place, row in enumerate(record.evaluation.confusion)
    )

    assert len(found) == min(made, 12)
    assert all(labels[each.index] == each.true != each.predicted for each in found)


def test_record_tells_what_ran(finished: tuple[Path, RunRecord]) -> None:
    """Device, step, data, sizes and times are those of this run."""
    _, record = finished

    assert (record.device.type, record.device.step) == ("cpu", "fused")
    assert (record.dataset.train_images, record.dataset.test_images) == (640, 200)
    assert record.parameters == 669_706
    assert record.evaluation.images == 200
    assert record.peak_memory_bytes["host"] > 50e6
    times = record.timings
    assert 0 < times.first_step < times.total
    assert times.training == pytest.approx(sum(each.train_seconds for each in record.history))
    phases = times.preflight + times.data + times.training + times.evaluation + times.artifacts
    assert phases < times.total


def test_history_file_repeats_the_record(finished: tuple[Path, RunRecord]) -> None:
    """One line per epoch, the same as in `metrics.json`."""
    folder, record = finished
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

    assert lines == [result.model_dump() for result in record.history]
    assert [line["epoch"] for line in lines] == [1, 2]


def test_final_evaluation_is_that_of_the_last_epoch(finished: tuple[Path, RunRecord]) -> None:
    """The record does not contradict itself."""
    _, record = finished

    assert record.evaluation.accuracy == record.history[-1].test_accuracy
    assert record.evaluation.loss == record.history[-1].test_loss
    assert sum(map(sum, record.evaluation.confusion)) == 200


def test_finished_run_is_not_trained_again(finished_copy: Path, start_run: Start) -> None:
    """A second run on a finished output says so and changes nothing."""
    before = {path: digest(path) for path in finished_copy.rglob("*") if path.is_file()}

    with structlog.testing.capture_logs() as events:
        start_run(finished_copy)

    assert events[-1]["event"] == "already finished, nothing to do"
    assert before == {path: digest(path) for path in finished_copy.rglob("*") if path.is_file()}


def test_finished_run_is_told_whoever_has_the_folder(finished_copy: Path, start_run: Start) -> None:
    """What is finished is only read, and nobody is waited for."""
    leave_behind(finished_copy, 9)

    assert start_run(finished_copy, lease_seconds=1e6) == read_record(finished_copy)


def test_finished_run_of_other_settings_is_refused(finished_copy: Path, start_run: Start) -> None:
    """The difference is told, and nothing is overwritten."""
    before = digest(finished_copy / "metrics.json")

    with pytest.raises(SettingsError, match="epochs is 3, was 2"):
        start_run(finished_copy, epochs=3)

    assert digest(finished_copy / "metrics.json") == before


def test_finished_run_without_its_record_is_delivered_again(
    finished_copy: Path, start_run: Start, finished: tuple[Path, RunRecord]
) -> None:
    """Dying between training and the last file costs no training."""
    (finished_copy / "metrics.json").unlink()

    record = start_run(finished_copy)

    assert record.evaluation == finished[1].evaluation
    assert record.history == finished[1].history
    assert [each["resumed_from_step"] for each in attempts_in(finished_copy)] == [None, 20]
    assert json.loads((finished_copy / "heartbeat.json").read_text())["step"] == 20


def test_resume_never_trains_anew(finished_copy: Path, start_run: Start) -> None:
    """The old record and checkpoints go, the ledger stays."""
    record = start_run(finished_copy, resume="never", epochs=1, seed=5)

    assert [result.epoch for result in record.history] == [1]
    assert [path.name for path in (finished_copy / CHECKPOINTS).iterdir()] == ["step-00000010"]
    assert [each["attempt"] for each in attempts_in(finished_copy)] == [1, 2]


def test_resume_required_needs_a_checkpoint(tmp_path: Path, start_run: Start) -> None:
    """Training anew by mistake is refused."""
    with pytest.raises(SettingsError, match="JOB_RESUME=required"):
        start_run(tmp_path / "output", resume="required")


def test_checkpoint_of_other_settings_is_refused(finished_copy: Path, start_run: Start) -> None:
    """Weights of another learning rate are not gone on with."""
    (finished_copy / "metrics.json").unlink()

    with pytest.raises(SettingsError, match=r"a checkpoint of other .* learning_rate is 0\.3"):
        start_run(finished_copy, learning_rate=0.3)

    assert attempts_in(finished_copy)[-1]["exit_code"] == ExitCode.SETTINGS


def test_torn_checkpoint_is_skipped_for_the_one_before(
    finished_copy: Path, start_run: Start, finished: tuple[Path, RunRecord]
) -> None:
    """The run goes on from the first epoch's end and comes to the same weights."""
    (finished_copy / "metrics.json").unlink()
    (payload,) = (finished_copy / CHECKPOINTS / "step-00000020").glob("*.safetensors")
    payload.write_bytes(payload.read_bytes()[:-1] + b"!")

    with structlog.testing.capture_logs() as events:
        start_run(finished_copy)

    assert "checkpoint skipped" in [event["event"] for event in events]
    assert attempts_in(finished_copy)[-1]["resumed_from_step"] == 10
    assert digest(finished_copy / "model.safetensors") == digest(finished[0] / "model.safetensors")


def test_stop_before_training_loses_nothing(tmp_path: Path, start_run: Start) -> None:
    """A stop during import or the check of the node ends in 75, and the next attempt begins."""
    with pytest.raises(InterruptedRunError):
        start_run(tmp_path / "output", stopped())

    (attempt,) = attempts_in(tmp_path / "output")
    assert (attempt["exit_code"], attempt["ended"]) == (75, "stopped by SIGTERM")


def test_stop_after_training_leaves_the_delivery_to_the_next_attempt(
    finished_copy: Path, start_run: Start
) -> None:
    """A run that is trained and not delivered is interrupted, not finished."""
    (finished_copy / "metrics.json").unlink()

    with pytest.raises(InterruptedRunError) as caught:
        start_run(finished_copy, stopped())

    assert caught.value.checkpoint == str(finished_copy / CHECKPOINTS / "step-00000020")
    assert not (finished_copy / "metrics.json").exists()


def test_missed_quality_gate_still_delivers(finished_copy: Path, start_run: Start) -> None:
    """Exit 80 comes with all artifacts, at the first run and at every later one."""
    (finished_copy / "metrics.json").unlink()

    for _ in range(2):
        with pytest.raises(QualityError, match="test accuracy"):
            start_run(finished_copy, min_accuracy=1.0)

    assert {path.name for path in finished_copy.iterdir()} == PROMISED
    assert attempts_in(finished_copy)[-1]["exit_code"] == ExitCode.QUALITY


def test_diverged_run_keeps_its_last_good_checkpoint(tmp_path: Path, start_run: Start) -> None:
    """A loss that is no number ends the run at the epoch where it appears."""
    output = tmp_path / "output"
    with pytest.raises(DivergedError, match="in epoch 1") as caught:
        start_run(output, learning_rate=1e30)

    assert caught.value.checkpoint == ""
    assert not (output / "metrics.json").exists()
    assert checkpoint.latest(output / CHECKPOINTS) is None
    attempt = attempts_in(output)[-1]
    assert attempt["exit_code"] == ExitCode.DIVERGED
    assert attempt["reached_step"] == attempt["lost_steps"] > 0


def test_stop_during_the_delivery_comes_through(
    tmp_path: Path, start_run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large network's last look at the test set takes long; the next attempt delivers."""
    stop, write = StopFlag(), artifacts.write_weights

    def write_and_be_stopped(*arguments: Any) -> list[Path]:
        stop.request("SIGTERM")
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "write_weights", write_and_be_stopped)
        with pytest.raises(InterruptedRunError, match="SIGTERM"):
            start_run(tmp_path, stop)
    assert not (tmp_path / "metrics.json").exists()

    assert [attempt.exit_code for attempt in start_run(tmp_path).attempts] == [75, None]


def test_missing_data_end_in_a_data_error(
    tmp_path: Path, start_run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places that were tried are named, the ledger knows."""
    monkeypatch.setattr("job.data.source.SYSTEM_FOLDERS", ())

    with pytest.raises(DataError, match="absent"):
        start_run(tmp_path / "output", data_dir=tmp_path / "absent")

    assert attempts_in(tmp_path / "output")[-1]["exit_code"] == ExitCode.DATA


def test_gpu_that_was_asked_for_and_is_missing_ends_before_data_are_read(
    tmp_path: Path, start_run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """69, not 65, even where there are no data; the check is written down, and the node."""
    monkeypatch.setenv("PATH", str(tmp_path))
    place = replace(ALONE.placement, node_name="gpu2")
    with pytest.raises(UnfitNodeError):
        start_run(tmp_path / "output", place=place, device="cuda", data_dir=tmp_path / "absent")

    verdict = json.loads((tmp_path / "output" / "preflight.json").read_text())["verdict"]
    assert verdict == "fail"
    assert attempts_in(tmp_path / "output")[-1]["unfit_node"] == "gpu2"


def test_arithmetic_that_the_device_lacks_is_refused(tmp_path: Path, start_run: Start) -> None:
    """tf32 on a CPU is a fault of the settings."""
    with pytest.raises(SettingsError, match="tf32"):
        start_run(tmp_path / "output", precision="tf32", device="cpu")


@pytest.mark.parametrize("place", ["file", "below a file"])
def test_output_that_cannot_be_a_folder_is_an_output_error(
    tmp_path: Path, start_run: Start, place: str
) -> None:
    """73, with the path."""
    (tmp_path / "output").write_text("")
    output = tmp_path / "output" / ("deeper" if place == "below a file" else "")

    with pytest.raises(OutputError, match="output"):
        start_run(output)


def test_bug_is_entered_in_the_ledger(
    tmp_path: Path, start_run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception passes through, and its attempt does not look killed."""
    monkeypatch.setattr("job.run.make_trainee", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        start_run(tmp_path / "output")

    (attempt,) = attempts_in(tmp_path / "output")
    assert (attempt["exit_code"], attempt["ended"][:17]) == (70, "ZeroDivisionError")


def test_ledger_that_cannot_be_written_hides_no_reason(
    tmp_path: Path, start_run: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume fails at the end of a run that fails for another reason: that one is told."""

    def fail(*_: object) -> None:
        raise OutputError("full")

    monkeypatch.setattr("job.attempts.Ledger.end", fail)

    with pytest.raises(InterruptedRunError):
        start_run(tmp_path / "output", stopped())


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path, start_run: Start) -> None:
    """Half files of an earlier attempt do not stay on the volume."""
    leftover = tmp_path / "output" / CHECKPOINTS / "step-00000001" / ".x.1-a.partial"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("half")

    with pytest.raises(JobError):
        start_run(tmp_path / "output", stopped())

    assert not leftover.exists()


@pytest.mark.parametrize("one_hot", [False, True])
def test_dataloader_pipeline_gives_the_weights_of_the_resident_one(
    tmp_path: Path, start_run: Start, finished: tuple[Path, RunRecord], one_hot: bool
) -> None:
    """The quickstart's own road and the fast one end at the same weights.

    Labels give them bit for bit; one-hot targets sum the same loss in another order.
    """
    start_run(tmp_path / "output", pipeline="dataloader", one_hot_targets=one_hot)

    expected = weights.read(finished[0] / "model.safetensors").state_dict()
    seen = weights.read(tmp_path / "output" / "model.safetensors").state_dict()
    tolerance = 1e-5 if one_hot else 0.0
    for name, value in expected.items():
        assert torch.allclose(seen[name], value, rtol=tolerance, atol=tolerance), name


def test_recipe_with_everything_trains(tmp_path: Path, start_run: Start) -> None:
    """AdamW, one cycle, dropout, flips, smoothing and bf16 go together."""
    record = start_run(
        tmp_path / "output",
        optimizer="adamw",
        schedule="one-cycle",
        learning_rate=2e-3,
        dropout=0.2,
        horizontal_flip=True,
        label_smoothing=0.05,
        weight_decay=0.05,
        precision="bf16",
    )

    assert record.evaluation.accuracy > 0.9
