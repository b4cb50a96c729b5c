"""Claims about `job.describe`: the record says what was used and done."""

import importlib.metadata
import platform
import resource
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from job import __version__, describe
from job.assemble import make_trainee
from job.data import source
from job.data.spec import DatasetSpec
from job.data.split import in_order
from job.describe import Facts
from job.evaluate import Tally, evaluate
from job.preflight.node import inspect
from job.record import AttemptRecord, MistakeRecord, RunRecord
from job.settings import Settings, load
from job.stopwatch import Stopwatch
from report_records import epoch

CPU = torch.device("cpu")
ATTEMPT = AttemptRecord(attempt=1, node="node-1", started_at="2026-01-02T03:00:00Z")


@pytest.fixture
def facts(small_data: tuple[Path, DatasetSpec], tmp_path: Path) -> Facts:
    """A run on the CPU of which two epochs are said to be done."""
    folder, spec = small_data
    settings = load(Settings, ["--epochs", "2"], "job")
    fitness = inspect(device="cpu", output_dir=tmp_path, processes_per_node=1)
    dataset = source.read(spec, data_dir=folder, offline=True)
    trainee = make_trainee(settings, dataset, CPU)
    trainee.session.history = [epoch(1), epoch(2)]
    tally = evaluate(trainee.network, trainee.test.epoch(in_order(200)), 10)
    return Facts(settings, fitness, dataset, trainee, tally)


def _record(facts: Facts) -> RunRecord:
    return describe.record(facts, {}, Stopwatch(), [ATTEMPT])


def test_record_holds_what_the_run_used_and_did(facts: Facts) -> None:
    """Package, network, history and attempts are its own, and files come later."""
    record = _record(facts)

    assert (record.job_version, record.parameters) == (__version__, 669_706)
    assert record.history == [epoch(1), epoch(2)]
    assert (record.attempts, record.artifacts) == ([ATTEMPT], {})
    assert record.peak_memory_bytes["device"] == 0


def test_record_has_the_mistakes_and_the_samples_that_it_is_given(facts: Facts) -> None:
    """What was found after training stands beside the ratios; a run on a CPU has no samples."""
    mistake = MistakeRecord(index=7, true=1, predicted=2, probability=0.5)
    record = _record(replace(facts, mistakes=[mistake]))

    assert record.evaluation.confident_mistakes == [mistake]
    assert record.gpu_use is None


def test_record_is_finished_now_in_utc(facts: Facts) -> None:
    """The time can be read by programs in any time zone."""
    finished = datetime.fromisoformat(_record(facts).finished_at)

    assert finished.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - finished) < timedelta(minutes=1)


def test_throughput_counts_all_images_over_all_training_seconds(facts: Facts) -> None:
    """Two epochs of 640 images took 2.1 s each."""
    record = _record(facts)

    assert record.images_per_second == pytest.approx(2 * 640 / 4.2, abs=0.1)
    assert record.timings.training == pytest.approx(4.2)
    assert record.timings.evaluation == pytest.approx(0.4)


def test_record_survives_its_journey_through_json(facts: Facts) -> None:
    """What is read from `metrics.json` equals what was described."""
    record = _record(facts)

    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_goodput_counts_the_time_of_all_attempts(facts: Facts) -> None:
    """Two epochs of 2.1 + 0.2 s became the result, and two attempts before this one took 14 s."""
    attempts = [
        ATTEMPT.model_copy(update={"seconds": 10.0, "lost_steps": 7}),
        ATTEMPT.model_copy(update={"seconds": 4.0, "lost_steps": 0}),
        ATTEMPT,
    ]
    goodput = describe.goodput(facts.trainee.session.history, attempts, 6.0)

    assert goodput.productive_seconds == pytest.approx(4.6)
    assert goodput.elapsed_seconds == 20.0
    assert goodput.goodput == pytest.approx(0.23)
    assert goodput.lost_steps == 7


def test_goodput_of_old_attempts_is_as_far_as_known(facts: Facts) -> None:
    """A line that tells neither seconds nor steps adds none."""
    goodput = describe.goodput(facts.trainee.session.history, [ATTEMPT, ATTEMPT], 9.2)

    assert (goodput.goodput, goodput.lost_steps) == (0.5, 0)


def test_timings_are_those_of_the_stopwatch() -> None:
    """Each phase has its own seconds; one that never was has none."""
    stopwatch = Stopwatch()
    with stopwatch.phase("data"):
        sum(range(100_000))
    timings = describe.timings(stopwatch, training=1.23456789, evaluation=2.0)

    assert timings.data == pytest.approx(stopwatch["data"], abs=1e-6)
    assert 0 < timings.data < timings.total
    assert (timings.imports, timings.preflight, timings.artifacts) == (0, 0, 0)
    assert (timings.training, timings.evaluation) == (1.234568, 2.0)


def test_every_setting_is_recorded_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger can tell what was asked for from what was so anyway."""
    monkeypatch.setenv("JOB_SEED", "7")
    settings = load(Settings, ["--epochs", "3"], "job")
    recorded = describe.settings(settings)

    assert recorded.keys() == type(settings).model_fields.keys()
    seen = {name: (recorded[name].value, recorded[name].origin) for name in recorded}
    assert seen["seed"] == (7, "environment")
    assert seen["epochs"] == (3, "flag")
    assert seen["learning_rate"] == (1e-3, "recipe")
    assert seen["output_dir"] == ("output", "default")
    assert seen["nesterov"] == (False, "recipe")


def test_device_says_what_trained_and_why(facts: Facts) -> None:
    """The reason is the preflight's, the step and the threads are those that were used."""
    device = describe.device(facts)

    assert (device.type, device.gpus, device.step) == ("cpu", [], "fused")
    assert device.reason == facts.fitness.device_reason
    assert device.threads == torch.get_num_threads()
    assert device.name == describe.device_name("cpu")


def test_name_of_a_gpu_is_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked of torch, which asks the driver."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")

    assert describe.device_name("cuda") == "Some GPU"


def test_name_of_the_processor_is_its_makers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first core's name stands for all; where none is told, the architecture does."""
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(describe, "Path", lambda _: cpuinfo)
    assert describe.device_name("cpu") == platform.machine()

    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a b\n" * 2)
    assert describe.device_name("cpu") == "Some CPU @ 2 GHz"

    cpuinfo.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert describe.device_name("cpu") == platform.machine()


def test_versions_are_those_that_run() -> None:
    """Python, CUDA and the packages that decide about the numbers."""
    versions = describe.versions()

    assert versions["python"] == platform.python_version()
    assert versions["cuda"] == (torch.version.cuda or "none")
    assert versions["safetensors"] == importlib.metadata.version("safetensors")
    assert torch.__version__.startswith(versions["torch"])


def test_package_that_is_not_there_is_called_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is written all the same."""
    monkeypatch.setattr(describe, "PACKAGES", ("no-such-package",))

    assert describe.versions()["no-such-package"] == "none"


def test_dataset_is_told_by_its_digests(facts: Facts, small_data: tuple[Path, DatasetSpec]) -> None:
    """The SHA-256 of each unpacked file, and how many images there were."""
    dataset, spec = describe.dataset(facts.dataset), small_data[1]

    assert (dataset.name, dataset.train_images, dataset.test_images) == ("small", 640, 200)
    assert dataset.sha256 == {file.name: file.sha256 for file in spec.files}


def test_evaluation_gives_ratios_by_class_name() -> None:
    """Rows of the confusion matrix are counted under their class."""
    tally = Tally(3.0, torch.tensor([[2, 1], [0, 3]]))
    evaluation = describe.evaluation(tally, ("Coat", "Bag"))

    assert (evaluation.images, evaluation.loss, evaluation.accuracy) == (6, 0.5, 5 / 6)
    assert evaluation.confusion == [[2, 1], [0, 3]]
    coat, bag = evaluation.classes
    assert (coat.name, coat.precision, coat.recall, coat.images) == ("Coat", 1.0, 2 / 3, 3)
    assert (bag.name, bag.precision, bag.recall, bag.images) == ("Bag", 0.75, 1.0, 3)
    assert (coat.f1, bag.f1) == pytest.approx((4 / 5, 6 / 7))


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_counted_in_bytes(
    monkeypatch: pytest.MonkeyPatch, system: str, unit: int
) -> None:
    """Linux reports KiB and macOS bytes; a CPU has no memory of its own."""
    monkeypatch.setattr(sys, "platform", system)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = describe.peak_memory(CPU)

    assert before * unit <= peak["host"] < 1.5 * before * unit
    assert peak["device"] == 0
