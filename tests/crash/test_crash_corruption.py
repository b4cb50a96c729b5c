"""What lies on the volume and is damaged there is noticed, or still says what it said.

20,000 damaged files under CRASH_SCALE=full. What a run goes on from, and what it delivers, carries
digests: of these nothing is ever taken for whole that is not. The record and the ledger carry none:
of them it is shown that no damage stops a run.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

import damage
import scale
from conftest import Program
from job import artifacts, checkpoint, weights
from job.attempts import Ledger
from job.checkpoint import Checkpoint, RunState
from job.errors import DataError, ExitCode
from job.session import CHECKPOINTS, HISTORY
from job.stopwatch import Stopwatch
from proof import Proof
from report_records import run_record
from weight_files import SUFFIXES, encoded, network

pytest_plugins = ["crash_fixtures"]

TENSORS = {"model.weight": torch.arange(300.0).view(3, 100), "optimizer.step": torch.tensor(7.0)}
STATE = RunState(
    epoch=1, batch=3, epoch_loss=0.1 + 0.2, epoch_seconds=1.5, history=[], settings={"seed": 3}
)
RUN = ("--epochs", "3", "--keep-checkpoints", "5")
CHECKPOINT_CASES = scale.of(quick=600, full=7_000)
WEIGHT_CASES = scale.of(quick=50, full=1_000)
RECORD_CASES = scale.of(quick=150, full=1_500)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """A folder with two whole checkpoints, of steps 1 and 2."""
    for step in (1, 2):
        checkpoint.save(tmp_path / CHECKPOINTS, step, STATE, TENSORS)
    return tmp_path / CHECKPOINTS


def _each_damage(path: Path, count: int, proof: Proof) -> Iterator[str]:
    """Put one damaged content after the other into the place of the whole one; name each."""
    whole = path.read_bytes()
    for damaged in damage.cases(whole, count, proof.seed):
        path.write_bytes(damaged.data)
        yield damaged.case
        proof.count("damaged files")
    path.write_bytes(whole)


def _is_what_was_saved(found: Checkpoint) -> bool:
    return (
        found.state == STATE
        and found.tensors.keys() == TENSORS.keys()
        and all(torch.equal(found.tensors[name], value) for name, value in TENSORS.items())
    )


def _latest(root: Path) -> tuple[Checkpoint, list[str]]:
    """The newest checkpoint that is whole, and the events that were logged on the way to it."""
    with capture_logs() as log:
        found = checkpoint.latest(root)
    assert found is not None
    return found, [event["event"] for event in log]


def test_damaged_tensors_are_never_loaded(checkpoints: Path, proof: Proof) -> None:
    """The checkpoint before is, to the bit, and the log says that one was passed over."""
    (payload,) = (checkpoints / "step-00000002").glob("state-*")
    for case in _each_damage(payload, CHECKPOINT_CASES, proof):
        found, events = _latest(checkpoints)

        assert (found.step, events) == (1, ["checkpoint skipped"]), case
        assert _is_what_was_saved(found), case


def test_damaged_manifest_never_says_anything_new(checkpoints: Path, proof: Proof) -> None:
    """The checkpoint before is loaded, and that is logged; or only white space was hit."""
    kept = Counter[int]()
    manifest = checkpoints / "step-00000002" / "manifest.json"
    for case in _each_damage(manifest, CHECKPOINT_CASES, proof):
        found, events = _latest(checkpoints)
        kept[found.step] += 1

        assert _is_what_was_saved(found), case
        assert events == (["checkpoint skipped"] if found.step == 1 else []), case
    assert kept[2] < CHECKPOINT_CASES / 20  # so that nearly all of the cases did hit something


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_weights_are_refused_or_still_the_same(
    tmp_path: Path, proof: Proof, suffix: str
) -> None:
    """Exit code 65 with the path; what is read has every bit that was written.

    Some bytes of an archive mean nothing: times, attributes, padding.
    """
    path = tmp_path / f"model{suffix}"
    path.write_bytes(encoded(suffix))
    expected = network().state_dict()
    refused = 0
    for case in _each_damage(path, WEIGHT_CASES, proof):
        try:
            seen = weights.read(path).state_dict()
        except DataError:
            refused += 1
        else:
            assert all(torch.equal(seen[name], value) for name, value in expected.items()), case
    assert refused > WEIGHT_CASES / 2


def test_damaged_record_of_a_finished_run_stops_nobody(tmp_path: Path, proof: Proof) -> None:
    """It does not count, and that is logged, or it is still a record."""
    artifacts.write_record(run_record(), tmp_path)
    outcomes = Counter[str]()
    for case in _each_damage(tmp_path / artifacts.RECORD, RECORD_CASES, proof):
        with capture_logs() as log:
            record = artifacts.read_record(tmp_path)
        events = [event["event"] for event in log]
        outcomes.update(events)

        assert events == ([] if record else ["record skipped"]), case
    assert outcomes["record skipped"] > RECORD_CASES / 2


def test_damaged_ledger_stops_nobody(tmp_path: Path, proof: Proof) -> None:
    """The next attempt enters itself behind what can still be read."""
    for node in ("node-1", "node-2"):
        ledger = Ledger.begin(tmp_path, node, Stopwatch())
        ledger.end(ExitCode.INTERRUPTED, "SIGTERM", step=40, reached=45)
    for case in _each_damage(tmp_path / "attempts.jsonl", RECORD_CASES, proof):
        attempts = Ledger.begin(tmp_path, "node-3", Stopwatch()).attempts

        assert attempts[-1].node == "node-3", case
        assert len(attempts) <= 3, case


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run lies that the tests damage copies of; the first of them makes it."""
    return tmp_path_factory.mktemp("whole-run") / "output"


@pytest.fixture
def output(whole_run: Path, small_job: Program, tmp_path: Path) -> Path:
    """The output of a run of three epochs, made by a real process once; a copy for each test."""
    if not whole_run.exists():
        done = small_job("--output-dir", whole_run, *RUN)
        assert done.returncode == 0, done.stderr
    return Path(shutil.copytree(whole_run, tmp_path / "output"))


def _unfinished(output: Path) -> list[Path]:
    """Take the record away, so that the job goes on; its checkpoints, the oldest first."""
    (output / artifacts.RECORD).unlink()
    return sorted((output / CHECKPOINTS).iterdir())


def _damage(path: Path, proof: Proof) -> None:
    (damaged,) = damage.cases(path.read_bytes(), 1, proof.seed)
    path.write_bytes(damaged.data)


def _go_on(small_job: Program, output: Path, proof: Proof) -> str:
    """Run the job again, to its end; return its log."""
    done = small_job("--output-dir", output, *RUN)
    assert done.returncode == 0, done.stderr
    proof.count("damaged runs")
    return done.stderr


def _events(log: str, name: str) -> list[dict[str, object]]:
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == name]


@pytest.mark.parametrize("part", ["manifest.json", "state-*.safetensors"])
def test_job_goes_on_from_the_checkpoint_before_and_says_so(
    output: Path, small_job: Program, proof: Proof, part: str
) -> None:
    """As a process: the log names the damaged one, and the weights are those of a whole run."""
    expected, history = ((output / name).read_bytes() for name in ("model.safetensors", HISTORY))
    *_, before, newest = _unfinished(output)
    (hit,) = newest.glob(part)
    hit.write_bytes(hit.read_bytes()[:-20])
    _damage(output / HISTORY, proof)
    log = _go_on(small_job, output, proof)

    (skipped,) = _events(log, "checkpoint skipped")
    (resumed,) = _events(log, "resumed")
    assert (skipped["folder"], resumed["checkpoint"]) == (str(newest), str(before))
    assert (output / "model.safetensors").read_bytes() == expected
    assert len((output / HISTORY).read_text().splitlines()) == len(history.splitlines()) == 3


def test_job_begins_anew_where_every_checkpoint_is_damaged(
    output: Path, small_job: Program, proof: Proof
) -> None:
    """As a process: it says so of each, and ends at the same weights; it never ends in an error."""
    expected = (output / "model.safetensors").read_bytes()
    folders = _unfinished(output)
    for folder in folders:
        (hit,) = folder.glob("state-*")
        _damage(hit, proof)
    log = _go_on(small_job, output, proof)

    skipped = [event["folder"] for event in _events(log, "checkpoint skipped")]
    assert skipped == [str(folder) for folder in reversed(folders)]
    assert _events(log, "resumed") == []
    assert (output / "model.safetensors").read_bytes() == expected


def test_job_delivers_anew_what_was_damaged_after_its_end(
    output: Path, small_job: Program, proof: Proof
) -> None:
    """As a process: a finished run with damaged weights is not finished, and the log says so."""
    weight_files = sorted(output.glob("model.*"))
    expected = {path: path.read_bytes() for path in weight_files}
    for path in weight_files:
        _damage(path, proof)
    log = _go_on(small_job, output, proof)

    (told,) = _events(log, "finished, but damaged: delivering anew")
    assert told["files"] == [path.name for path in weight_files]
    assert len(_events(log, "resumed")) == 1
    assert {path.name for path, whole in expected.items() if path.read_bytes() != whole} == set()
    assert _events(_go_on(small_job, output, proof), "already finished, nothing to do")


def test_program_refuses_damaged_weights(output: Path, small_job: Program) -> None:
    """As a process: `predict` ends in 65 and names no clothes."""
    hit = output / "model.safetensors"
    content = bytearray(hit.read_bytes())
    content[len(content) // 2] ^= 1
    hit.write_bytes(content)
    done = small_job("predict", "--test-image", "0", "--weights", hit)

    assert (done.returncode, done.stdout) == (ExitCode.DATA, "")
    assert str(hit) in done.stderr
