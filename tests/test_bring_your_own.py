"""docs/bring-your-own.md is run as it stands: its files are written, its lines typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[1] / "docs" / "bring-your-own.md"
FILE: Final = re.compile(r"```python\n# (\S+\.py)\n(.*?)```", re.DOTALL)
LINES: Final = re.compile(r"```sh\n(python draw\.py\n.*?)```", re.DOTALL)


def _typed(folder: Path, *command: str, **environment: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PATH": path, "JOB_DEVICE": "cpu", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the example was followed to the end of its training."""
    folder = tmp_path_factory.mktemp("mine")
    page = PAGE.read_text()
    for name, code in FILE.findall(page):
        (folder / name).write_text(code)
    (lines,) = LINES.findall(page)
    _typed(folder, "bash", "-euo", "pipefail", "-c", lines, PYTHONPATH=str(PAGE.parents[1]))
    return folder


def test_example_learns_its_own_data_with_its_own_network(worked: Path) -> None:
    """The record names both functions and the classes; chance would be one half."""
    record = json.loads((worked / "shapes-output" / "metrics.json").read_text())

    assert record["model"]["name"] == "shapes:network"
    assert record["dataset"]["name"] == "shapes:load"
    assert record["dataset"]["shape"] == [3, 24, 24]
    assert [each["name"] for each in record["evaluation"]["classes"]] == ["cross", "circle"]
    assert record["evaluation"]["accuracy"] > 0.9


def test_program_predicts_without_the_package_and_the_example(worked: Path) -> None:
    """`use.py` runs where neither can be imported, and finds what the record says."""
    record = json.loads((worked / "shapes-output" / "metrics.json").read_text())
    (worked / "shapes.py").unlink()

    told = _typed(worked, sys.executable, "-P", "use.py")

    assert told.startswith(f"{record['evaluation']['accuracy']:.0%} of the test pictures")
