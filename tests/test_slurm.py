"""Claims about `slurm/`, without a cluster: the scripts run under the variables of a batch shell.

`tests/slurm/` submits the same scripts to a real one.
"""

import re
import signal
from pathlib import Path
from typing import Final

import pytest

from batch_shell import ROOT, Batch, make_batch
from job import explain
from job.errors import POLICIES, ExitCode
from job.settings import Settings, load

PAGE: Final = ROOT / "docs" / "slurm.md"
SCRIPTS: Final = sorted((ROOT / "slurm").glob("*.sh"))
SHARED: Final = "# --- From here on"
DIRECTIVE: Final = re.compile(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", re.MULTILINE)
OF_THE_SCRIPTS: Final = {"JOB_RUNTIME", "JOB_IMAGE"}
ANEW: Final = "JOB_RESUME=never was for the first attempt"


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch shell on a node."""
    return make_batch(tmp_path)


def directives(script: Path) -> dict[str, str]:
    """The options of sbatch in a script."""
    return dict(DIRECTIVE.findall(script.read_text()))


def test_scripts_differ_only_in_what_they_ask_of_slurm() -> None:
    """Slurm runs a copy of one file, so each has all of it; what is mended is mended in each."""
    shared = {script.read_text().partition(SHARED)[2] for script in SCRIPTS}

    assert [script.name for script in SCRIPTS] == ["sweep.sh", "train-multi-node.sh", "train.sh"]
    assert len(shared) == 1


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_directive_is_one_that_slurm_reads(script: Path) -> None:
    """A blank after the hash, or a line of code before it, would make it a comment."""
    text = script.read_text()
    before_code, _, code = text.partition("\nset -euo pipefail\n")

    assert text.startswith("#!/bin/bash\n")
    assert len(DIRECTIVE.findall(before_code)) == len(re.findall("SBATCH", text))
    assert "SBATCH" not in code


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_asks_for_what_going_on_needs(script: Path) -> None:
    """A requeue that is allowed, a log that is kept, and a warning before the time is up."""
    asked = directives(script)
    kind, _, seconds = asked["signal"].partition("@")

    assert "requeue" in asked
    assert asked["open-mode"] == "append"
    assert (kind, int(seconds)) == ("B:USR1", 120)
    assert "time" in asked
    assert asked["gpus-per-node"] == asked.get("ntasks-per-node", asked.get("ntasks"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_path_comes_from_the_place_of_the_script(script: Path) -> None:
    """It is a copy in a spool folder by then."""
    assert re.findall(r"\$\{?0\b|BASH_SOURCE|dirname", script.read_text()) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_settings_that_the_script_names_exist(script: Path) -> None:
    """A setting that was renamed is renamed there, too."""
    known = {f"JOB_{name.upper()}" for name in Settings.model_fields} | OF_THE_SCRIPTS

    assert set(re.findall(r"\bJOB_[A-Z_]*[A-Z]\b", script.read_text())) - known == set()


def test_bare_environment_is_enough(batch: Batch) -> None:
    """The job starts in the project's folder, with its flags, and steps get the environment."""
    ended = batch.run("--epochs", "3", "", "a b")

    assert (ended.code, ended.said) == (0, "")
    assert ended.seen["words"][0] == f"{batch.project}/.venv/bin/python"
    assert ended.seen["words"][1:] == ["-m", "job", "--epochs", "3", "", "a b"]
    assert ended.settings == {
        "JOB_DEVICE": "cuda",
        "JOB_OUTPUT_DIR": f"{batch.project}/output",
        "OMP_NUM_THREADS": "2",
    }
    assert ended.seen["variables"]["SLURM_EXPORT_ENV"] == "ALL"
    assert ended.seen["variables"]["SRUN_CPUS_PER_TASK"] == "2"
    assert ended.notes == ["srun --kill-on-bad-exit=0"]


def test_settings_of_the_user_go_before_those_of_the_script(batch: Batch) -> None:
    """Device, threads and folder are the user's to choose."""
    chosen = {"JOB_DEVICE": "cpu", "JOB_OUTPUT_DIR": "elsewhere", "OMP_NUM_THREADS": "1"}

    ended = batch.run(**chosen)

    assert ended.settings == chosen | {"JOB_OUTPUT_DIR": f"{batch.project}/elsewhere"}
    assert (batch.project / "elsewhere").is_dir()


SEVERAL: Final[list[dict[str, str]]] = [
    {"SLURM_GPUS_ON_NODE": "8"},
    {"SLURM_GPUS_ON_NODE": "8", "JOB_DEVICE": "auto", "JOB_PROCESSES_PER_NODE": "auto"},
    {"SLURM_GPUS_ON_NODE": "1", "JOB_DEVICE": "cpu", "JOB_PROCESSES_PER_NODE": "2"},
    {"SLURM_GPUS_ON_NODE": "8", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "2"},
]
ONE: Final[list[dict[str, str]]] = [
    {"SLURM_GPUS_ON_NODE": "1"},
    {"SLURM_GPUS_ON_NODE": "8", "JOB_PROCESSES_PER_NODE": "1"},
    {"SLURM_GPUS_ON_NODE": "8", "JOB_DEVICE": "cpu"},
    {"SLURM_GPUS_ON_NODE": "2", "SLURM_NTASKS": "4", "SLURM_JOB_NUM_NODES": "2"},
]


@pytest.mark.parametrize("asked", SEVERAL, ids=str)
def test_processes_of_one_task_share_its_cpus(batch: Batch, asked: dict[str, str]) -> None:
    """As many threads as CPUs for each of eight would be eight times too many."""
    ended = batch.run(**asked)

    assert "OMP_NUM_THREADS" not in ended.settings
    assert ended.seen["variables"]["SLURM_CPUS_PER_TASK"] == "2"


def test_flag_that_asks_for_processes_leaves_them_the_cpus(batch: Batch) -> None:
    """It is the launcher that reads its number."""
    assert "OMP_NUM_THREADS" not in batch.run("--processes-per-node=4").settings
    assert "OMP_NUM_THREADS" not in batch.run("--processes-per-node", "4").settings


@pytest.mark.parametrize("asked", ONE, ids=str)
def test_process_that_is_alone_in_its_task_takes_its_cpus(
    batch: Batch, asked: dict[str, str]
) -> None:
    """Without being told, torch would take a thread for each core of the node."""
    assert batch.run(**asked).settings["OMP_NUM_THREADS"] == "2"


def test_threads_of_the_user_go_before_the_share_of_the_launcher(batch: Batch) -> None:
    """Whoever names a number means each process."""
    ended = batch.run(OMP_NUM_THREADS="3", SLURM_GPUS_ON_NODE="8")

    assert ended.settings["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("page", [PAGE, *SCRIPTS], ids=lambda page: page.name)
def test_example_with_more_processes_on_a_node_asks_for_their_memory(page: Path) -> None:
    """A limit that is meant for fewer would have them killed, and 137 is not requeued."""
    wanted = re.compile(r"sbatch\b.*--gpus-per-node=(\d+)\b.* (slurm/[a-z-]+\.sh)")
    for example in wanted.finditer(page.read_text()):
        usual = directives(ROOT / example[2])
        usually = int(usual["mem"].removesuffix("G"))
        asked = re.search(r"--mem=(\d+)G\b", example[0])
        memory = int(asked[1]) if asked else usually
        a_process = usually // int(usual["gpus-per-node"])
        assert memory >= int(example[1]) * a_process, example[0]


@pytest.mark.parametrize("code", ExitCode)
def test_exit_code_is_kept_and_requeued_as_the_table_says(batch: Batch, code: ExitCode) -> None:
    """`job.errors` says which endings get another try; the others are left to the user."""
    again = POLICIES[code].slurm.startswith("requeue")

    ended = batch.run(TASK=str(int(code)))

    assert ended.code == code
    assert ended.requeues[:1] == (["scontrol requeue 7"] if again else [])
    node_is_named = [note for note in ended.notes if "ExcNodeList=gpu1" in note]
    assert bool(node_is_named) == ("node named" in POLICIES[code].slurm)


@pytest.mark.parametrize("ending", ["SIGUSR1", "SIGTERM"])
def test_job_that_was_stopped_before_it_could_catch_a_signal_is_requeued(
    batch: Batch, ending: str
) -> None:
    """Python's start takes a moment; the checkpoints of earlier attempts are durable."""
    ended = batch.run(TASK=ending)

    assert ended.requeues == ["scontrol requeue 7"]


@pytest.mark.parametrize(("ending", "code"), [("SIGKILL", 137), ("SIGSEGV", 139), ("1", 1)])
def test_job_that_was_killed_is_not_requeued(batch: Batch, ending: str, code: int) -> None:
    """It would most likely be killed again, by the memory that it needs or by the same bug."""
    ended = batch.run(TASK=ending)

    assert (ended.code, ended.requeues) == (code, [])


@pytest.mark.parametrize(("restarts", "again"), [("1", True), ("2", False)])
def test_requeues_are_counted(batch: Batch, restarts: str, again: bool) -> None:
    """Slurm counts the restarts, and the script stops at the limit and says so."""
    ended = batch.run(TASK="75", SLURM_RESTART_COUNT=restarts, REQUEUE_LIMIT="2")

    assert ended.code == 75
    assert bool(ended.requeues) == again
    assert ("REQUEUE_LIMIT=2 is reached" in ended.said) != again


def test_requeued_job_keeps_what_it_has_trained(batch: Batch) -> None:
    """The first attempt alone begins anew: a later `never` would remove its checkpoints."""
    first = batch.run(JOB_RESUME="never", SLURM_RESTART_COUNT="0")
    later = batch.run(JOB_RESUME="never", SLURM_RESTART_COUNT="1")

    assert (first.settings["JOB_RESUME"], first.said) == ("never", "")
    assert later.settings["JOB_RESUME"] == "auto"
    assert ANEW in later.said


@pytest.mark.parametrize("flags", [("--resume=never",), ("--resume", "never", "--epochs", "3")])
def test_flag_that_begins_anew_is_for_the_first_attempt_too(
    batch: Batch, flags: tuple[str, ...]
) -> None:
    """A flag beats the environment, so another flag has to beat it."""
    ended = batch.run(*flags, SLURM_RESTART_COUNT="2")

    assert ended.words == ["python", "-m", "job", *flags, "--resume=auto"]
    assert load(Settings, ended.words[3:], "job").resume == "auto"
    assert ANEW in ended.said


@pytest.mark.parametrize("resume", ["auto", "required"])
def test_requeue_changes_no_other_resume(batch: Batch, resume: str) -> None:
    """Who insists on a checkpoint still does, and who says nothing is told nothing."""
    ended = batch.run("--resume", resume, JOB_RESUME=resume, SLURM_RESTART_COUNT="1")

    assert ended.settings["JOB_RESUME"] == resume
    assert ended.words[3:] == ["--resume", resume]
    assert ended.said == ""


def test_warning_reaches_the_job_and_requeues_it(batch: Batch) -> None:
    """USR1 before the time is up: the job saves in peace, and goes on in another allocation."""
    ended = batch.interrupted(signal.SIGUSR1)

    assert (ended.code, ended.requeues) == (75, ["scontrol requeue 7"])
    assert "warned: yes" in ended.said


@pytest.mark.parametrize("restarts", ["0", "99"])
def test_decided_end_reaches_the_job_and_is_respected(batch: Batch, restarts: str) -> None:
    """TERM comes from scancel, or from Slurm, which requeues by itself where it means to."""
    ended = batch.interrupted(signal.SIGTERM, SLURM_RESTART_COUNT=restarts)

    assert (ended.code, ended.requeues) == (75, [])
    assert "decided outside" in ended.said


def test_signals_in_a_burst_do_not_hide_how_the_job_ended(batch: Batch) -> None:
    """Each of them ends a `wait` of the shell, and the script waits on."""
    ended = batch.interrupted(signal.SIGUSR1, signal.SIGUSR1, signal.SIGCONT, signal.SIGUSR1)

    assert (ended.code, ended.requeues) == (75, ["scontrol requeue 7"])


def test_refused_requeue_is_told(batch: Batch) -> None:
    """`sbatch --no-requeue`: the job's own code is the answer."""
    ended = batch.run(TASK="75", REFUSING="yes")

    assert ended.code == 75
    assert "refuses to requeue" in ended.said


def test_member_of_an_array_has_its_seed_its_folder_and_its_own_requeue(batch: Batch) -> None:
    """The number 7 alone may be the id of the whole array."""
    ended = batch.run(TASK="75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3", JOB_SEED="1")

    assert ended.settings["JOB_SEED"] == "3"
    assert ended.settings["JOB_OUTPUT_DIR"] == f"{batch.project}/output/seed-3"
    assert ended.requeues == ["scontrol requeue 7_3"]


def test_member_of_an_array_with_a_sweep_has_its_point(batch: Batch) -> None:
    """The job itself names the folder; a seed that the points have in common stays."""
    sweep = {"JOB_SWEEP": "sweeps/a b.toml", "JOB_SEED": "1"}
    ended = batch.run(TASK="75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3", **sweep)

    assert ended.settings == sweep | {
        "JOB_DEVICE": "cuda",
        "JOB_OUTPUT_DIR": f"{batch.project}/output",
        "JOB_SWEEP_INDEX": "3",
        "OMP_NUM_THREADS": "2",
    }
    assert ended.requeues == ["scontrol requeue 7_3"]


def test_environment_without_a_venv_is_refused_with_the_fix(batch: Batch) -> None:
    """Who submits from another folder is told where to."""
    (batch.project / ".venv" / "bin" / "python").unlink()

    ended = batch.run()

    assert ended.code == ExitCode.SETTINGS
    assert "submit from the project's folder or with --chdir" in ended.said


def test_output_folder_that_cannot_be_made_is_73(batch: Batch) -> None:
    """A folder below a file cannot be."""
    ended = batch.run(JOB_OUTPUT_DIR=".venv/bin/python/output")

    assert ended.code == ExitCode.OUTPUT
    assert "JOB_OUTPUT_DIR" in ended.said


def test_page_explains_each_code_as_the_table_does() -> None:
    """Codes that are requeued stand in the page's table, and the others do not."""
    rows = re.findall(r"^\| ([\d, ]+) \| requeues", PAGE.read_text(), re.MULTILINE)
    requeued = {int(code) for row in rows for code in row.split(",")}
    again = {int(code) for code, policy in POLICIES.items() if "no" not in policy.slurm.split()}

    assert requeued - {128 + signal.SIGUSR1, 128 + signal.SIGTERM} == again - {ExitCode.FINISHED}


def test_page_states_the_numbers_of_the_scripts() -> None:
    """Limit, image and warning are those that are in force."""
    text = (ROOT / "slurm" / "train.sh").read_text()
    (limit,) = re.findall(r"REQUEUE_LIMIT:-(\d+)", text)
    (image,) = re.findall(r"JOB_IMAGE:-(\S+)}", text)

    assert image == explain.IMAGE
    assert f"`REQUEUE_LIMIT={limit}` times" in PAGE.read_text()
    assert f"`{image}` if unset" in PAGE.read_text()
    assert f"`--signal={directives(ROOT / 'slurm' / 'train.sh')['signal']}`" in PAGE.read_text()


def test_page_names_scripts_and_runtimes_that_exist() -> None:
    """Each script is spoken of, and each runtime that the script takes."""
    named = set(re.findall(r"slurm/[a-z-]+\.sh", PAGE.read_text()))
    (taken,) = re.findall(r"allowed is ([\w, ]+)\"", (ROOT / "slurm" / "train.sh").read_text())

    assert named == {f"slurm/{script.name}" for script in SCRIPTS}
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE.read_text(), re.MULTILINE)) == {
        *taken.split(", ")
    }
