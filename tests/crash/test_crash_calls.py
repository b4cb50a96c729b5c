"""A save that is killed at any system call leaves the old checkpoint or the new one."""

import shutil
from pathlib import Path

import pytest

import generations
from generations import SCENARIOS
from job import files
from proof import Proof
from tracing import run_traced
from warm import Warm

pytest_plugins = ["crash_fixtures"]


def everything_in(output: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    paths = (path for path in output.rglob("*") if path.is_file())
    return {str(path.relative_to(output)): path.read_bytes() for path in paths}


def copy_of(prepared: Path, output: Path) -> Path:
    """A fresh copy of an output folder."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(prepared, output)
    return output


@pytest.mark.parametrize("name", SCENARIOS)
def test_save_killed_at_any_call_leaves_old_or_new(
    warm: Warm, proof: Proof, tmp_path: Path, name: str
) -> None:
    """Before each call and after the last; the same save then goes through, and nothing is left."""
    scenario, prepared = SCENARIOS[name], tmp_path / "prepared"
    scenario.prepare(prepared)
    output = copy_of(prepared, tmp_path / "output")
    program = scenario.broken.program(output)
    whole = run_traced(warm, program)
    assert whole.returncode == 0, whole.told
    expected = everything_in(output)

    for call in whole.calls():
        copy_of(prepared, output)
        killed = run_traced(warm, program, call.broken("signal=SIGKILL"))
        assert killed.returncode == -9, call
        assert generations.found_in(output) in {scenario.old, scenario.new}, call
        files.remove_leftovers(output)
        generations.perform(scenario.broken, output)
        assert everything_in(output) == expected, call
        proof.count("kills")
