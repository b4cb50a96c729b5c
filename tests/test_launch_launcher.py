"""Claims about `job.launch.launcher`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from job.errors import ExitCode, InterruptedRunError, JobError, SettingsError
from job.launch import run
from job.launch.launcher import rank_environments, same_command
from job.settings import Settings
from job.settings.threads import cores
from job.stop import StopFlag
from job.world.placement import Node
from test_launch_crew import PROGRAM, report
from test_world_srun import TASK

FAKES = Path(__file__).with_name("fakes")
# A launcher has no other threads, the process of the tests has.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def launched(folder: Path, *deeds: str, processes: int = 2, **settings: Any) -> ExitCode | None:
    """What comes of ranks that do their deeds."""
    command = [sys.executable, PROGRAM, str(folder), str(processes), *deeds]
    return run(Settings(**settings), StopFlag(), command=command, grace_seconds=1.0)


def none_launched(folder: Path, **settings: Any) -> bool:
    """Whether this process is to train by itself."""
    return launched(folder, **settings) is None and list(folder.glob("rank-*")) == []


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose nvidia-smi lists two."""
    monkeypatch.setenv("PATH", str(FAKES), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_NVIDIA_SMI", "two-gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_one_process_trains_by_itself(tmp_path: Path) -> None:
    """There is nobody to launch it for, whoever asked for it."""
    assert none_launched(tmp_path, processes_per_node=1)
    assert none_launched(tmp_path, device="cpu")
    assert none_launched(tmp_path, device="mps")


def test_rank_never_launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of torchrun, nor a task of srun among others on its node."""
    for name, value in TASK.items():
        monkeypatch.setenv(name, value)
    assert none_launched(tmp_path, processes_per_node=2)

    names = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    for name in TASK:
        monkeypatch.delenv(name)
    for name, value in (names | {"MASTER_ADDR": "127.0.0.1"}).items():
        monkeypatch.setenv(name, value)
    assert none_launched(tmp_path, processes_per_node=2)


def test_each_process_is_told_its_place(tmp_path: Path) -> None:
    """By the names of torchrun, with one free port for all, and its share of the cores."""
    assert launched(tmp_path, processes=2, processes_per_node=2) == ExitCode.FINISHED
    first, second = (report(tmp_path, rank) for rank in range(2))

    assert first["told"] == {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": second["told"]["MASTER_PORT"],
    }
    assert (second["told"]["RANK"], second["told"]["LOCAL_RANK"]) == ("1", "1")
    assert int(first["told"]["MASTER_PORT"]) >= 1024
    assert int(first["threads"]) == max(cores() // 2, 1)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("listed", "device", "processes"),
    [(None, "auto", 2), (None, "cuda", 2), ("1", "auto", 0), ("", "auto", 0), (None, "cpu", 0)],
)
def test_auto_is_one_process_for_each_visible_gpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listed: str | None,
    device: str,
    processes: int,
) -> None:
    """None are launched for one GPU, for none, or where none is wanted."""
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    ended = launched(tmp_path, device=device)

    assert ended == (ExitCode.FINISHED if processes else None)
    assert len(list(tmp_path.glob("rank-*"))) == processes


@pytest.mark.usefixtures("two_gpus")
def test_number_that_is_told_beats_what_is_there(tmp_path: Path) -> None:
    """Also by Kubeflow; more ranks than GPUs are refused by their preflight."""
    assert none_launched(tmp_path, processes_per_node=1)
    assert launched(tmp_path, processes=3, processes_per_node=3) == ExitCode.FINISHED
    assert len(list(tmp_path.glob("rank-*"))) == 3


def test_exit_code_is_that_of_the_first_failure(tmp_path: Path) -> None:
    """75 stays 75, whatever torchrun would make of it."""
    assert launched(tmp_path, "1=lack", "0=stop", processes_per_node=2) == ExitCode.DATA


def test_termination_log_has_the_word_of_the_rank_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of the last one, which merely stopped because of it."""
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setenv("TERMINATION_LOG", str(log))
    launched(tmp_path, "1=lack", "0=stop", processes_per_node=2)

    word = json.loads(log.read_text())
    assert (word["code"], word["reason"]) == (65, "nowhere")


def test_ending_that_no_rank_can_tell_is_told(tmp_path: Path) -> None:
    """As an error of the one family, so that a terminal and a log show it like any other."""
    with pytest.raises(JobError, match="rank 1 was ended by SIGSEGV"):
        launched(tmp_path, "1=fault", "0=stop", processes_per_node=2)


def test_stop_before_the_start_starts_nothing(tmp_path: Path) -> None:
    """A rank that is not ready for signals would be ended by one."""
    stop = StopFlag()
    stop.request("SIGTERM")
    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        run(Settings(processes_per_node=2), stop, command=["false"])

    assert list(tmp_path.iterdir()) == []


def test_contradiction_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before any rank could wait for another in vain."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    settings = Settings(processes_per_node=2, nodes=2, master_address="train-0")
    with pytest.raises(SettingsError, match="JOB_COMPLETION_INDEX=2 is not below JOB_NODES=2"):
        run(settings, StopFlag(), command=["false"])


def test_ranks_of_a_node_have_their_numbers_in_the_run() -> None:
    """The second of two nodes with two ranks each has the numbers 2 and 3."""
    environments = rank_environments({"A": "b"}, Node(1, 2, "gpu1", 29_500, "test"), 2)

    assert list(environments) == [2, 3]
    assert environments[3]["LOCAL_RANK"] == "1"
    assert environments[3]["WORLD_SIZE"] == "4"
    assert {each["A"] for each in environments.values()} == {"b"}


def test_ranks_of_several_nodes_meet_at_a_port_that_all_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be any free one of the first node's."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    report_path = tmp_path / "told"
    command = ["bash", "-c", f'echo "$MASTER_ADDR:$MASTER_PORT $WORLD_SIZE" >> {report_path}']
    settings = Settings(processes_per_node=2, nodes=2, master_address="train-0", master_port=30_000)

    assert run(settings, StopFlag(), command=command) == ExitCode.FINISHED
    assert report_path.read_text() == "train-0:30000 4\n" * 2


def test_cores_are_shared_fairly() -> None:
    """Unless the environment says otherwise; each rank has one at least."""
    node = Node(0, 1, "127.0.0.1", 29_500, "test")

    assert rank_environments({}, node, 2)[0]["OMP_NUM_THREADS"] == str(max(cores() // 2, 1))
    assert rank_environments({}, node, 64 * cores())[0]["OMP_NUM_THREADS"] == "1"
    assert rank_environments({"OMP_NUM_THREADS": "5"}, node, 2)[0]["OMP_NUM_THREADS"] == "5"


def test_cores_of_the_task_are_shared_where_slurm_names_them() -> None:
    """A site that binds no tasks shows each the whole node; no process has more than it sees."""
    node = Node(0, 1, "127.0.0.1", 29_500, "test")
    one, many = ({"SLURM_CPUS_PER_TASK": told} for told in ("1", str(64 * cores())))

    assert rank_environments(one, node, 1)[0]["OMP_NUM_THREADS"] == "1"
    assert rank_environments(many, node, 1)[0]["OMP_NUM_THREADS"] == str(cores())
    assert rank_environments(many, node, 64 * cores())[0]["OMP_NUM_THREADS"] == "1"


def test_ranks_run_what_the_launcher_was_started_with(tmp_path: Path) -> None:
    """All its flags, and those of Python."""
    command = [sys.executable, "-X", "utf8", PROGRAM, str(tmp_path), "2", "0=lack", "1=stop"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 65
    assert report(tmp_path, 0)["argv"] == [str(tmp_path), "2", "0=lack", "1=stop"]
    assert report(tmp_path, 0)["utf8"] == 1
    launching = json.loads(done.stderr.splitlines()[0])
    assert (launching["event"], launching["processes"], launching["told"]) == (
        "launching",
        2,
        "alone",
    )
    assert same_command()[0] == sys.executable


def test_launcher_is_light() -> None:
    """It stays beside its ranks for hours; torch alone would take 300 MB."""
    code = "import sys, job.launch; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
