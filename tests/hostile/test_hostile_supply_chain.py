"""Nothing restores objects from a file that a user can write, and what is installed is known."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from job.errors import ExitCode
from restorers import restorers_in

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "job").rglob("*.py"))
# The one place: it reads back what this process has made, from memory and never from a file.
ALLOWED = {"job/weights/program.py": ["torch.export.load"]}
PROGRAM = "job/weights/program.py:run"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_restores_objects_from_files(path: Path) -> None:
    """No pickle in any of its clothes, and nothing that runs what a file says."""
    allowed = ALLOWED.get(str(path.relative_to(ROOT)), [])

    assert restorers_in(path.read_text()) == allowed


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        ("import pickle as innocent", ["pickle"]),
        ("from pickle import loads", ["pickle.loads"]),
        ("from joblib import load", ["joblib.load"]),
        ("def later():\n    import shelve", ["shelve"]),
        ("import torch\ntorch.load(path, weights_only=True)", ["torch.load"]),
        ("from torch import load as read\nread(path)", ["torch.load"]),
        ("import numpy as np\nnp.load(path, allow_pickle=False)", ["numpy.load"]),
        ("import torch\nread = torch.jit.load", ["torch.jit.load"]),
        (
            "import torch.distributed as d\nd.broadcast_object_list([])",
            ["torch.distributed.broadcast_object_list"],
        ),
        ("eval('1')", ["eval"]),
        ("import pickletools, json\njson.load(file); model.eval(); torch.save(state, file)", []),
    ],
)
def test_search_finds_what_restores_objects(source: str, found: list[str]) -> None:
    """Under other names and in functions, too; and what only sounds like it is not found."""
    assert restorers_in(source) == found


def _audited(
    small_data: tuple[Path, object], lines: Path, *arguments: str | Path
) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of the job, and whatever it restored."""
    program = [sys.executable, str(ROOT / "tests" / "hostile" / "audited_job.py")]
    command = [*program, str(lines), str(small_data[0]), *map(str, arguments)]
    done = subprocess.run(command, check=False, timeout=120, capture_output=True)
    return done.returncode, _lines(lines)


def test_whole_run_restores_nothing(tmp_path: Path, small_data: tuple[Path, object]) -> None:
    """Begun, resumed, delivered and used: an audit hook sees no object restored from a file.

    What this process has just made, the own program, is the exception that some torch make.
    """
    output = tmp_path / "output"
    job = ("--output-dir", output, "--epochs", "1")
    codes = [_audited(small_data, tmp_path / "first", *job)[0]]
    (output / "metrics.json").unlink()
    code, restored = _audited(small_data, tmp_path / "second", *job)
    for suffix in ("safetensors", "pth", "pt2"):
        asked = ("predict", "--test-image", "0", "--weights", output / f"model.{suffix}")
        codes.append(_audited(small_data, tmp_path / suffix, *asked)[0])
        restored += _lines(tmp_path / suffix)

    assert [*codes, code] == [0] * 5
    assert _lines(output / "attempts.jsonl")[1]["resumed_from_step"] == 10
    assert [each["name"] for each in restored if PROGRAM not in each["asked_by"]] == []


def test_hook_sees_an_object_that_is_restored(tmp_path: Path) -> None:
    """So that seeing none means something."""
    program = (
        "import pickle, sys; from pathlib import Path; import audited_job;"
        "data = pickle.dumps(Path()); audited_job.watch(Path(sys.argv[1])); pickle.loads(data)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "seen")]
    subprocess.run(command, cwd=Path(__file__).parent, check=True)

    assert _lines(tmp_path / "seen") == [{"name": "pathlib.PosixPath", "asked_by": []}]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _pins(lock: str) -> set[tuple[str, str]]:
    """Names and versions; some have several, for several versions of Python."""
    return set(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_lock_has_a_digest_for_each_package_and_no_address(lock: str) -> None:
    """What is installed is what was locked, wherever it comes from."""
    text = (ROOT / lock).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

    assert len(entries) == len(re.findall(r"^[a-z0-9._-]+==", text, re.MULTILINE)) > 30
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_all_locks_agree_with_the_one_of_the_image() -> None:
    """What is tested is what is delivered."""
    delivered = _pins("requirements.lock")
    for lock in ("requirements-dev.lock", "requirements-bench.lock"):
        assert delivered - _pins(lock) == set()


def test_bill_of_materials_names_each_package_of_the_lock(tmp_path: Path) -> None:
    """`make sbom` makes CycloneDX of it: name, version, purl and digests, nothing left out."""
    made = tmp_path / "sbom.json"
    command = ["make", "--no-print-directory", "sbom", f"SBOM={made}"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == ExitCode.FINISHED, done.stderr
    bill = json.loads(made.read_text())
    parts = bill["components"]

    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "fashion-mnist-job",
    )
    assert {(part["name"], part["version"]) for part in parts} == _pins("requirements.lock")
    assert all(part["purl"].startswith(f"pkg:pypi/{part['name']}@") for part in parts)
    assert all(_digests(part) for part in parts)


def _digests(part: dict[str, Any]) -> list[str]:
    return [
        digest["content"]
        for reference in part["externalReferences"]
        for digest in reference["hashes"]
    ]
