"""A measurement says where it was made and who else was there."""

import json
import subprocess
from pathlib import Path
from typing import Final

import machine
import pytest

COMMIT: Final = ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-m", "a")


def git(folder: Path, *command: str) -> str:
    """What git prints."""
    done = subprocess.run(
        ["git", "-C", str(folder), *command], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_instruction_sets_are_whole_flags() -> None:
    """`avx512_bf16` is not `avx512f`, and what does not matter is left out."""
    cpuinfo = "model name\t: A\nflags\t\t: fpu avx2 avx512_bf16\nflags\t\t: fma\n"

    assert machine.instruction_sets(cpuinfo) == ["avx2", "avx512_bf16"]
    assert machine.instruction_sets("Features\t: asimd\n") == []


def test_steal_is_a_share_of_all_time() -> None:
    """Of ten ticks two were stolen; no time at all is no division by zero."""
    before, after = [100, 0, 0, 0, 0, 0, 0, 10], [105, 0, 0, 3, 0, 0, 0, 12]

    assert machine.steal_percent(before, after) == 20
    assert machine.steal_percent(before, before) == 0


def test_noise_is_known_after_the_work() -> None:
    """Load before and after, and steal, as JSON can hold them."""
    with machine.noise() as found:
        pass

    kept = json.loads(json.dumps(found))
    assert len(kept["load_before"]) == len(kept["load_after"]) == 3
    assert 0 <= kept["steal_percent"] <= 100


def test_revision_is_that_of_the_clone(tmp_path: Path) -> None:
    """Numbers without it are of nobody knows which code."""
    git(tmp_path, "init")
    git(tmp_path, *COMMIT)

    assert len(machine.revision(tmp_path)) >= 4
    assert git(tmp_path, "log", "--format=%H").startswith(machine.revision(tmp_path))


def test_revision_of_no_clone_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unpacked archive has none, though it may lie in a clone of something else."""
    git(tmp_path, "init")
    assert machine.revision(tmp_path) == "unknown"  # it has no commit yet

    git(tmp_path, *COMMIT)
    (tmp_path / "archive").mkdir()
    assert machine.revision(tmp_path / "archive") == "unknown"

    monkeypatch.setenv("PATH", "")
    assert machine.revision(machine.ROOT) == "unknown"


def test_facts_have_what_a_reader_asks_for() -> None:
    """Processor, cores, threads, spins, and the versions of the rivals, absent or not."""
    facts = json.loads(json.dumps(machine.facts()))

    assert facts["revision"]
    assert facts["processor"]
    assert facts["cores"] >= 1
    assert facts["threads"] >= 1
    assert facts["GOMP_SPINCOUNT"]
    assert {"torch", "jax", "scikit-learn"} <= facts["versions"].keys()
