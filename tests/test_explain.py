"""Claims about `job.explain`."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from job import explain, schedule
from job.model import NeuralNetwork, count_parameters
from job.settings import Settings, load
from job.step import Update
from job.step.eager import EagerStep

DOORS = {"here": "python", "docker": "docker", "kubernetes": "kubectl", "slurm": "sbatch"}
HOSTILE = 'it\'s "$HOME" `id` a;b&c|d>e <f * ~ \\ # é 衣 g=h !'
# Stands in for a program of the shell's: notes its arguments and its environment.
NOTE = '#!/bin/sh\ncat >/dev/null\n{ printf "%s\\0" "$@"; env -0; } >>"$NOTES"\n'


def _explain(*flags: str) -> str:
    return explain.text(load(Settings, list(flags), "job"))


def _part(title: str, text: str) -> dict[str, str]:
    (part,) = (part for part in text.split("\n\n") if part.startswith(f"{title}\n"))
    return dict(line.split(maxsplit=1) for line in part.splitlines()[1:])


def _run_in_a_shell(line: str, folder: Path) -> set[str]:
    """What the programs that `line` starts are told, by their arguments and environment."""
    notes = folder / "notes"
    for program in DOORS.values():
        (folder / program).write_text(NOTE)
        (folder / program).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.defpath}", "HOME": "/home", "NOTES": str(notes)}
    subprocess.run(
        ["/bin/sh", "-c", line],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=30,
    )
    return set(notes.read_text().split("\0"))


def test_every_setting_is_listed_with_value_and_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its variable, as it could be written there."""
    monkeypatch.setenv("JOB_RECIPE", "accurate")
    rows = _part("Settings", _explain("--no-horizontal-flip", "--min-accuracy", "0.5"))

    assert list(rows) == [f"JOB_{name.upper()}" for name in Settings.model_fields]
    assert rows["JOB_RECIPE"].split() == ["accurate", "environment"]
    assert rows["JOB_EPOCHS"].split() == ["40", "recipe"]
    assert rows["JOB_HORIZONTAL_FLIP"].split() == ["false", "flag"]
    assert rows["JOB_MIN_ACCURACY"].split() == ["0.5", "flag"]
    assert rows["JOB_DATA_OFFLINE"].split() == ["false", "default"]
    assert rows["JOB_STOP_FILE"].split() == ["-", "default"]


def test_parameters_are_those_of_the_model() -> None:
    """The number that is written out, because no torch is imported, is the right one."""
    assert count_parameters(NeuralNetwork()) == explain.PARAMETERS
    assert _part("Plan", _explain())["weights"] == "2,678,824 bytes = 669,706 numbers"


def test_plan_counts_steps_images_and_bytes() -> None:
    """The last batch of an epoch may be a small one, and counts."""
    plan = _part("Plan", _explain("--epochs", "3", "--batch-size", "7000"))

    assert plan["steps"] == "27 = 3 epochs × 9"
    assert plan["images"] == "180,000, at most 7,000 a step"
    assert plan["data"].startswith(f"{70_000 * 28 * 28:,} bytes of pixels")
    assert plan["saved"] == "after each epoch and every 30 s of training"


@pytest.mark.parametrize(
    ("flags", "update"),
    [
        ((), {"optimizer": "sgd"}),
        (("--momentum", "0.5"), {"optimizer": "sgd", "momentum": 0.5}),
        (("--optimizer", "adamw"), {"optimizer": "adamw"}),
        (("--optimizer", "adamw", "--momentum", "0.5"), {"optimizer": "adamw"}),
    ],
)
def test_planned_checkpoint_has_the_size_of_a_real_one(
    flags: tuple[str, ...], update: dict[str, Any]
) -> None:
    """All that a step keeps after the first batch, but for the scalars."""
    step = EagerStep(NeuralNetwork(), Update(schedule=schedule.constant(0.1), **update), "fp32")
    list(step.run([(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long))], 0))
    kept = sum(each.nbytes for each in step.state().values() if each.dim() > 0)

    assert _part("Plan", _explain(*flags))["checkpoint"] == f"{kept:,} bytes, 2 kept"


def test_plain_commands_for_plain_settings() -> None:
    """Where nothing was chosen, nothing is passed on."""
    commands = _part("Run it", _explain())

    assert commands.keys() == DOORS.keys()
    assert commands["here"] == "python -m job"
    assert commands["kubernetes"] == "kubectl apply -f k8s/train-job.yaml"
    assert commands["slurm"] == "sbatch slurm/train.sh"
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert f"\n{commands['docker'].replace(' && ', chr(10), 1)}\n" in readme
    assert "JOB_" not in "".join(commands.values())


def test_kubernetes_keeps_the_settings_of_the_manifest() -> None:
    """What was chosen replaces them one by one, and the rest of the manifest is applied."""
    line = _part("Run it", _explain("--recipe", "accurate"))["kubernetes"]

    assert line == (
        "kubectl create configmap fashion-mnist-settings --from-literal JOB_RECIPE=accurate "
        "--from-literal JOB_DEVICE=cuda --from-literal JOB_DATA_OFFLINE=true && kubectl apply "
        "-f k8s/train-job.yaml -l 'app.kubernetes.io/component!=settings'"
    )


def test_commands_for_the_cpu_ask_for_no_gpu() -> None:
    """Without the NVIDIA toolkit Docker refuses `--gpus`; without GPUs a cluster waits for ever."""
    commands = _part("Run it", _explain("--device", "cpu"))

    assert "--gpus" not in commands["docker"]
    assert commands["kubernetes"] == "kubectl apply -k k8s/overlays/cpu"
    more = _part("Run it", _explain("--device", "cpu", "--epochs", "3"))["kubernetes"]
    assert "--from-literal JOB_DEVICE=cpu " in more
    assert "--from-literal JOB_EPOCHS=3 " in more
    assert more.endswith(
        " && kubectl apply -k k8s/overlays/cpu -l 'app.kubernetes.io/component!=settings'"
    )


@pytest.mark.parametrize(
    ("file", "mounted"),
    [("some sweeps/x.toml", "{here}/some sweeps/x.toml"), ("/etc/x.toml", "/etc/x.toml")],
)
def test_container_is_given_the_file_of_the_sweep(tmp_path: Path, file: str, mounted: str) -> None:
    """The path is the host's, so the file is mounted, and all of its points are run."""
    told = _run_in_a_shell(_part("Run it", _explain("--sweep", file))["docker"], tmp_path)

    assert f"{mounted.format(here=tmp_path)}:/sweep.toml:ro" in told
    assert "JOB_SWEEP=/sweep.toml" in told
    assert f"JOB_SWEEP={file}" not in told
    assert "sweep" in told


def test_doors_of_a_sweep_are_those_of_sweeps() -> None:
    """The job alone refuses a sweep without an index, and a cluster has no file of the host."""
    commands = _part("Run it", _explain("--sweep", "sweeps/learning-rate.toml"))

    assert commands["here"] == "JOB_SWEEP=sweeps/learning-rate.toml python -m job sweep"
    assert commands["kubernetes"].startswith("kubectl apply -f k8s/sweep-job.yaml  #")
    assert "sbatch slurm/sweep.sh  # with --array=" in commands["slurm"]


def test_one_point_of_a_sweep_is_a_run_of_the_job() -> None:
    """Its index says which, so nothing else has to."""
    commands = _part("Run it", _explain("--sweep", "sweeps/x.toml", "--sweep-index", "3"))

    assert commands["here"].endswith(" python -m job")
    assert commands["docker"].endswith(f" -e JOB_SWEEP_INDEX=3 {explain.IMAGE}")
    assert commands["slurm"].endswith(" sbatch slurm/train.sh")


@pytest.mark.parametrize("door", DOORS)
def test_command_hands_a_hostile_value_on(tmp_path: Path, door: str) -> None:
    """Pasted into a shell, the line gives the job the very value, whatever is in it."""
    line = _part("Run it", _explain("--stop-file", HOSTILE, "--seed", "7"))[door]
    told = _run_in_a_shell(line, tmp_path)

    assert f"JOB_STOP_FILE={HOSTILE}" in told
    assert "JOB_SEED=7" in told


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--recipe", "accurate", "--no-horizontal-flip", "--data-offline"],
        ["--min-accuracy", "None", "--stop-file", "None"],
        ["--data-dir", "some data", "--output-dir", "elsewhere"],
        ["--learning-rate", "1e-5", "--checkpoint-every-seconds", "1e9"],
    ],
    ids=" ".join,
)
def test_command_gives_the_settings_that_were_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    """What `here` says, run here, is the same run."""
    explained = load(Settings, flags, "job")
    told = _run_in_a_shell(_part("Run it", explain.text(explained))["here"], tmp_path)
    for pair in told:
        name, _, value = pair.partition("=")
        if name.startswith("JOB_"):
            monkeypatch.setenv(name, value)

    assert load(Settings, [], "job").model_dump() == explained.model_dump()


def test_job_is_all_that_python_is_asked_for() -> None:
    """The line for here ends in the command itself."""
    assert shlex.split(_part("Run it", _explain("--seed", "7"))["here"])[-3:] == [
        "python",
        "-m",
        "job",
    ]


def test_explaining_imports_nothing_heavy() -> None:
    """Neither torch nor the log's library is loaded, so that it answers at once."""
    code = (
        "import sys; sys.modules |= {'torch': None, 'structlog': None};"
        "from job import explain; from job.settings import Settings, load;"
        "print(explain.text(load(Settings, [], 'job')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip() == _explain()


def test_plan_does_not_guess_what_only_other_data_and_networks_know() -> None:
    """It says so, and when it is known."""
    plan = _part("Plan", _explain("--model", "resnet18"))
    assert plan["weights"] == "known when resnet18 is built for the data"
    assert plan["images"].startswith("600,000")
    assert "checkpoint" not in plan

    plan = _part("Plan", _explain("--dataset", "cifar10"))
    assert plan["steps"] == "10 epochs, whose length is known when cifar10 is read"
    assert plan["weights"] == "known when mlp is built for the data"
