"""Each command ends with its exit code, and says why."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from conftest import Program
from job import acceptance, artifacts, commands, stop, termination
from job.__main__ import main
from job.activity import Activity
from job.commands import COMMANDS, TRAINING
from job.errors import OutputError, StalledError
from job.heartbeat import Heartbeat
from job.model import NeuralNetwork
from job.record import SettingRecord
from job.settings import Settings, load
from job.stopwatch import Stopwatch
from report_records import run_record

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from job.__main__ import main; main()"

Main = Callable[..., int]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Main]:
    """`main` with arguments, in this process; its signal handlers are taken out again."""
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    monkeypatch.setattr(termination, "PATH", tmp_path / "termination-log")
    termination.PATH.touch()

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["job", *arguments])
        return int(main())

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def _told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last event of the log, which is also what the termination log says."""
    told: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    last_word = json.loads(termination.PATH.read_text())
    assert last_word["code"] == told["exit_code"]
    assert last_word["reason"] == told["reason"]
    return told


def _finish_before(output_dir: Path, **changes: Any) -> None:
    """Leave the record of a finished run of the default settings in `output_dir`."""
    values = load(Settings, [], "job").training_values()
    settings = {name: SettingRecord(value=each, origin="recipe") for name, each in values.items()}
    output_dir.mkdir()
    record = run_record(settings=settings, artifacts={}, **changes)
    artifacts.write_record(record, output_dir)


@pytest.mark.parametrize("arguments", [(), ("train",), ("--seed", "0"), ("train", "--seed", "0")])
def test_no_command_means_train(
    run_main: Main,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    """With or without flags; a stop that waits already ends it before anything is read."""
    (tmp_path / "stop").touch()
    monkeypatch.setenv("JOB_STOP_FILE", "stop")

    assert run_main(*arguments) == 75
    assert _told(capsys)["event"] == "interrupted"
    (line,) = (tmp_path / "output" / "attempts.jsonl").read_text().splitlines()
    assert json.loads(line)["exit_code"] == 75


def test_interruption_is_a_warning(
    run_main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a scheduler does every day is no error in the log."""
    (tmp_path / "stop").touch()
    run_main("--stop-file", "stop")
    assert _told(capsys)["level"] == "warning"


def test_finished_run_is_summed_up_for_people(
    run_main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Accuracy and places on standard output, exit code 0, and no training."""
    _finish_before(tmp_path / "output")

    assert run_main("--log-format", "console") == 0
    assert "accuracy  72.22%" in capsys.readouterr().out
    assert json.loads(termination.PATH.read_text())["code"] == 0


def test_finished_run_is_an_event_for_collectors(
    run_main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They get one last line with the result, and no prose on standard output."""
    _finish_before(tmp_path / "output")

    assert run_main() == 0
    said = capsys.readouterr()
    last = json.loads(said.err.splitlines()[-1])
    assert said.out == ""
    assert (last["event"], last["output"]) == ("finished", "output")
    assert last["accuracy"] == pytest.approx(0.7222, abs=1e-4)


def test_program_speaks_for_its_exit_code(job: Program, tmp_path: Path) -> None:
    """`python -m job` is `main`, and what it returns is what the shell sees."""
    wrong = job("trian")
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert json.loads(wrong.stderr)["reason"] == "no such command: trian"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("trian", "train"), ("preflght", "preflight"), ("scheme", "schema"), ("x", "explain")],
)
def test_unknown_command_names_the_nearest(
    run_main: Main, capsys: pytest.CaptureFixture[str], typed: str, nearest: str
) -> None:
    """Exit code 64, all commands that there are, and one to try."""
    assert run_main(typed) == 64

    told = _told(capsys)
    assert told["reason"] == f"no such command: {typed}"
    assert told["allowed"] == ", ".join([*TRAINING, *COMMANDS])
    assert f"python -m job {nearest}," in told["fix"]


@pytest.mark.parametrize("command", [*TRAINING, *sorted(COMMANDS.keys() - commands.PROBES)])
def test_unknown_flag_is_refused_by_every_command(
    run_main: Main, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Exit code 64, before anything else is done."""
    assert run_main(command, "--unheard-of") == 64
    assert "--unheard-of" in _told(capsys)["reason"]


@pytest.mark.parametrize(
    "command", ["train", "preflight", "predict", "explain", "sweep", "compare"]
)
def test_bad_setting_is_refused_by_every_command(
    run_main: Main,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """Exit code 78, with the variable and what is allowed."""
    monkeypatch.setenv("JOB_LOG_LEVEL", "loud")

    assert run_main(command) == 78
    assert "JOB_LOG_LEVEL=loud: allowed is debug" in _told(capsys)["reason"]


@pytest.mark.parametrize(
    "command",
    [(), ("train",), ("preflight",), ("predict",), ("explain",), ("sweep",), ("compare",)],
)
def test_help_is_no_failure(
    run_main: Main, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """Every command lists its flags, and ends with 0."""
    with pytest.raises(SystemExit) as caught:
        run_main(*command, "--help")

    assert caught.value.code == 0
    assert "--data-dir" in capsys.readouterr().out


def test_schema_is_that_of_the_record(run_main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    """It is JSON, on standard output, and names what `metrics.json` must have."""
    assert run_main("schema") == 0

    schema = json.loads(capsys.readouterr().out)
    assert schema["title"] == "RunRecord"
    written = run_record().model_dump(mode="json")
    assert set(schema["required"]) <= written.keys() == schema["properties"].keys()


def test_explain_answers_without_torch(tmp_path: Path) -> None:
    """Where torch cannot be imported at all, the plan and the commands are shown."""
    command = [sys.executable, "-c", WITHOUT_TORCH, "explain", "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr == ""
    for words in ("JOB_EPOCHS", "2,814 = 3 epochs", "docker run", "kubectl", "sbatch"):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("sweep", "--plan", "--sweep", "points"), ("compare", "runs")])
def test_sweeps_are_planned_and_compared_without_torch(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Where it cannot be imported at all; nobody waits for it to see a table."""
    (tmp_path / "points").write_text('method = "list"\n[[points]]\nseed = 7')
    (tmp_path / "runs").mkdir()
    _finish_before(tmp_path / "runs" / "a")
    program = [sys.executable, "-c", WITHOUT_TORCH, *command]
    done = subprocess.run(program, capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert json.loads(done.stdout)


def test_explain_returns_success(run_main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    """It promises nothing about the node and trains nothing."""
    assert run_main("explain") == 0
    assert capsys.readouterr().out.startswith("Settings\n")


def test_preflight_returns_the_verdict(
    run_main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the CPU every node is fit; the finding is on standard output and on the volume."""
    assert run_main("preflight", "--device", "cpu") == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "output" / "preflight.json").read_text())


@pytest.mark.parametrize("flags", [(), ("--unheard-of",)])
def test_probe_leaves_the_last_word_to_the_job(run_main: Main, flags: tuple[str, ...]) -> None:
    """It runs in the job's container, healthy or not."""
    assert run_main("health", *flags) in (64, 82)
    assert termination.PATH.read_text() == ""

    with Heartbeat([Path("beat")], 1, Activity(0.0), Stopwatch(), lambda: True):
        assert run_main("health", "--heartbeat-file", "beat") == 0
    assert termination.PATH.read_text() == ""


def test_process_can_be_left_from_any_thread(
    run_main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is told, is the last word, and its code is the process's."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    run_main("schema")  # logging is set up by what comes after it, for programs
    commands._leave_at_once(StalledError("nothing moves"))

    assert (_told(capsys)["event"], codes) == ("stalled", [82])


def test_predict_answers_on_standard_output(
    run_main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A class for each picture, as JSON where no person looks."""
    torch.save(NeuralNetwork().state_dict(), tmp_path / "model.pth")
    Image.new("L", (28, 28)).save(tmp_path / "shirt.png")

    assert run_main("predict", "--weights", "model.pth", "shirt.png") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["picture"] == "shirt.png"


def test_unexpected_exception_is_a_bug_with_its_stack(
    run_main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 70; the stack is in the log and the reason in the termination log."""

    def broken(_settings: Settings) -> int:
        raise LookupError("nobody thought of it")

    monkeypatch.setattr(acceptance, "answer", broken)
    assert run_main("preflight") == 70

    log = capsys.readouterr().err
    told = json.loads(log.splitlines()[-1])
    assert (told["event"], told["exit_code"]) == ("bug", 70)
    assert told["reason"] == "LookupError('nobody thought of it')"
    assert f"{broken.__code__.co_firstlineno + 1}, in broken" in log
    assert json.loads(termination.PATH.read_text())["reason"] == told["reason"]


def test_error_is_told_with_all_its_parts(
    run_main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was seen and is allowed, fix, checkpoint and code: in the log and the last word."""

    def full(_settings: Settings) -> int:
        raise OutputError("full", allowed="some room", fix="make it", checkpoint="step-1")

    monkeypatch.setattr(acceptance, "answer", full)
    assert run_main("preflight") == 73

    told = _told(capsys)
    assert (told["allowed"], told["fix"], told["checkpoint"]) == ("some room", "make it", "step-1")
    last_word = json.loads(termination.PATH.read_text())
    assert (last_word["remedy"], last_word["checkpoint"]) == ("make it", "step-1")


def test_error_is_told_in_the_chosen_format(
    run_main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once the settings were read, the way they ask for is the way it is told."""
    assert run_main("train", "--log-format", "console", "--precision", "tf32", "--device", "cpu")
    text = capsys.readouterr().err

    assert "JOB_PRECISION=tf32 on the device cpu" in text
    assert not text.splitlines()[-1].startswith("{")
