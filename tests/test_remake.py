"""Claims about `job.remake`: whatever a run has left, there is a report of it, or a reason."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import Program
from datasets import small_dataset
from job import remake
from job.artifacts import write_record
from job.data import source
from job.data.dataset import Dataset
from job.errors import DataError, OutputError, SettingsError
from job.heartbeat import Beat
from job.process import this_process
from job.record import AttemptRecord, DatasetRecord, SettingRecord
from job.report.content import FINISHED, KILLED, RUNNING, Ending
from job.settings import ReportSettings
from report_records import PREFLIGHT, epoch, full_record


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small dataset, found and read."""
    folder = tmp_path_factory.mktemp("data")
    return source.read(small_dataset(folder, train=20, test=18), data_dir=folder, offline=True)


@pytest.fixture
def run_dir(tmp_path: Path, dataset: Dataset) -> Path:
    """What a finished run on that dataset leaves for its report."""
    data = DatasetRecord(name="small", train_images=20, test_images=18, sha256=dataset.digests)
    folder = tmp_path / "run"
    folder.mkdir()
    write_record(full_record(dataset=data), folder)
    (folder / "preflight.json").write_text(json.dumps(PREFLIGHT))
    return folder


def lines(path: Path, *rows: Any) -> None:
    """A file of JSON lines, or of what is none."""
    texts = [row if isinstance(row, str) else row.model_dump_json() for row in rows]
    path.write_text("".join(text + "\n" for text in texts))


def attempt(**facts: Any) -> AttemptRecord:
    """The first one."""
    return AttemptRecord(attempt=1, node="n", started_at="2026-01-02T03:04:05+00:00", **facts)


def nowhere(_: dict[str, SettingRecord]) -> Dataset:
    """A dataset that is not here."""
    raise DataError("found nowhere")


def test_report_of_a_finished_run_is_the_one_that_it_wrote(run_dir: Path, dataset: Dataset) -> None:
    """All parts, the preflight and the pictures."""
    content = remake.read(run_dir, lambda _: dataset)

    assert content.ending == FINISHED
    assert content.evaluation == full_record().evaluation
    assert content.preflight == PREFLIGHT
    assert content.pictures.keys() == {4, 17}
    assert content.notes == ()


def test_ledger_tells_how_the_last_attempt_ended(run_dir: Path, dataset: Dataset) -> None:
    """The record was written before it had."""
    ended = attempt(ended="finished", exit_code=0, seconds=9.0)
    lines(run_dir / "attempts.jsonl", ended)

    assert remake.read(run_dir, lambda _: dataset).attempts == [ended]


@pytest.mark.parametrize(
    ("facts", "ending"),
    [
        ({"exit_code": 75, "ended": "SIGTERM"}, Ending("interrupted", "warn")),
        ({"exit_code": 82, "ended": "no progress"}, Ending("stalled", "fail")),
        ({}, KILLED),
    ],
)
def test_interrupted_run_has_a_report(tmp_path: Path, facts: Any, ending: Ending) -> None:
    """Its epochs and attempts are there before its record is."""
    lines(tmp_path / "metrics.jsonl", epoch(1), epoch(2))
    lines(tmp_path / "attempts.jsonl", attempt(**facts))
    content = remake.read(tmp_path, nowhere)

    assert content.ending == ending
    assert content.history == [epoch(1), epoch(2)]
    assert content.evaluation is None


def test_run_whose_heart_beats_is_running(tmp_path: Path) -> None:
    """A killed one left its last beat, too, but that grows old."""
    lines(tmp_path / "attempts.jsonl", attempt())
    lines(tmp_path / "heartbeat.json", _beat(0))
    assert remake.read(tmp_path, nowhere).ending == RUNNING

    lines(tmp_path / "heartbeat.json", _beat(60))
    assert remake.read(tmp_path, nowhere).ending == KILLED


def test_torn_lines_cost_a_note_and_themselves(tmp_path: Path) -> None:
    """What can be read of a file is shown."""
    lines(tmp_path / "metrics.jsonl", epoch(1), '{"epoch": 2, "st')
    lines(tmp_path / "attempts.jsonl", "[]", attempt())
    content = remake.read(tmp_path, nowhere)

    assert (content.history, content.attempts) == ([epoch(1)], [attempt()])
    assert content.notes == (
        "lines of metrics.jsonl that cannot be read: 1",
        "lines of attempts.jsonl that cannot be read: 1",
    )


def test_record_of_another_version_is_read_part_by_part(run_dir: Path, dataset: Dataset) -> None:
    """What it calls otherwise is missing, and both are said."""
    path = run_dir / "metrics.json"
    values = json.loads(path.read_text()) | {"schema_version": 2, "timings": {"all": 1}}
    path.write_text(json.dumps(values))
    content = remake.read(run_dir, lambda _: dataset)

    assert content.timings is None
    assert content.evaluation is not None
    assert content.notes[0] == "the record has schema version 2, this job knows 1"
    assert content.notes[1].startswith("timings cannot be read")


@pytest.mark.parametrize("named", ["evil:code", "image-folder", 3, None])
def test_record_lends_no_code_and_no_folder(
    run_dir: Path, dataset: Dataset, tmp_path: Path, named: str | int | None
) -> None:
    """A record is anybody's: of what it names, only images that everybody knows are read."""
    told = {"dataset": SettingRecord(value=named, origin="environment")}
    data = DatasetRecord(name="other", train_images=20, test_images=18, sha256=dataset.digests)
    write_record(full_record(dataset=data, settings=told), run_dir)

    page = remake.answer(ReportSettings(folder=run_dir, data_dir=tmp_path))

    assert (
        "image is not here" in Path(page).read_text() or "thumbnail" not in Path(page).read_text()
    )


def test_other_dataset_lends_no_pictures(run_dir: Path, dataset: Dataset, tmp_path: Path) -> None:
    """The image of that number would be another one."""
    spec = small_dataset(tmp_path / "other", train=20, test=18, seed=1)
    other = source.read(spec, data_dir=tmp_path / "other", offline=True)

    content = remake.read(run_dir, lambda _: other)
    assert content.pictures == {}
    assert "not that of the run" in content.notes[0]
    assert remake.read(run_dir, nowhere).notes == ()
    assert remake.read(run_dir, lambda _: dataset).pictures != {}


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", "[" * 100_000, "\0"])
def test_record_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    """A file that the job never wrote is not passed over in silence."""
    (tmp_path / "metrics.json").write_text(text)

    with pytest.raises(DataError, match=r"metrics\.json is no record of a run"):
        remake.read(tmp_path, nowhere)


@pytest.mark.parametrize("preflight", ["", "{", "[]", "7"])
def test_preflight_that_is_none_costs_its_section(run_dir: Path, preflight: str) -> None:
    """The page says that none was recorded."""
    (run_dir / "preflight.json").write_text(preflight)

    assert remake.read(run_dir, nowhere).preflight is None


def test_report_is_written_into_the_folder_or_elsewhere(run_dir: Path, tmp_path: Path) -> None:
    """`--to` leaves the run's own folder as it is."""
    other = tmp_path / "elsewhere" / "deep"
    told = remake.answer(ReportSettings(folder=run_dir, to=other, data_dir=tmp_path))

    assert told == str(other / "report.html")
    assert max(path.name for path in (other / "plots").iterdir()) == "per-class.png"
    assert not (run_dir / "report.html").exists()
    assert remake.answer(ReportSettings(output_dir=run_dir, data_dir=tmp_path)) == str(
        run_dir / "report.html"
    )


@pytest.mark.parametrize(
    "make", [Path.mkdir, Path.touch, lambda _: None], ids=["empty", "file", "nothing"]
)
def test_folder_without_a_run_is_an_error_of_the_settings(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """An empty folder, a file and nothing at all have no run."""
    make(tmp_path / "run")

    with pytest.raises(SettingsError, match="no run in"):
        remake.read(tmp_path / "run", nowhere)


def test_place_that_takes_no_report_is_an_output_error(run_dir: Path, tmp_path: Path) -> None:
    """73, as wherever a volume is unusable."""
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot write"):
        remake.answer(ReportSettings(folder=run_dir, to=tmp_path / "file", data_dir=tmp_path))


def test_report_command_shows_the_run_that_the_job_has_done(
    small_job: Program, tmp_path: Path
) -> None:
    """Trained, reported anew without training: the mistakes have their pictures again."""
    output = tmp_path / "output"
    trained = small_job("--output-dir", output, "--epochs", "1", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    first = (output / "report.html").read_text()
    shutil.rmtree(output / "plots")
    again = small_job("report", output)

    assert (again.returncode, again.stdout.strip()) == (0, str(output / "report.html"))
    second = (output / "report.html").read_text()
    assert first.count("<img") == second.count("<img") > 0
    assert ">finished</td>" in second


@pytest.mark.parametrize(
    ("arguments", "code"), [(["nothing"], 78), (["--too", "x"], 64), (["a", "b"], 64)]
)
def test_report_command_ends_by_the_table(job: Program, arguments: list[str], code: int) -> None:
    """Neither a folder without a run nor an unknown flag is a bug."""
    ended = job("report", *arguments)

    assert ended.returncode == code, ended.stderr


def test_report_needs_no_torch() -> None:
    """Nobody waits two seconds for what is not used."""
    program = "import sys, job.remake; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _beat(age: float) -> Beat:
    return Beat(
        attempt=1,
        phase="training",
        step=3,
        idle_seconds=0,
        allowed_seconds=None,
        seconds=1,
        time=datetime.now(UTC),
        uptime_seconds=time.monotonic() - age,
        process=this_process(),
    )
