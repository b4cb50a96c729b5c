"""What every test may rely on: a clean environment, data small and real, the job as a program."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from datasets import small_dataset
from job.data.spec import DatasetSpec
from job.settings.threads import let_waiting_threads_sleep

let_waiting_threads_sleep()  # torch is imported by the tests that need it, after this

ROOT: Final = Path(__file__).parents[1]
REAL_DATA: Final = (ROOT / "data", Path("/usr/share/datasets/fashion-mnist"))

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests reaches them, and no default folder of theirs."""
    for name in list(os.environ):
        if name.startswith("JOB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """A test that configures logging does not speak for the next one."""
    before = logging.getLogger().handlers.copy()
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers[:] = before


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetSpec]:
    """640 training and 200 test images that are learnt in seconds: their folder and their spec."""
    folder = tmp_path_factory.mktemp("small-data")
    return folder, small_dataset(folder)


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """A folder with the real Fashion-MNIST; `make test` sees to it that there is one."""
    for folder in REAL_DATA:
        if (folder / "train-images-idx3-ubyte.gz").exists():
            return folder
    raise FileNotFoundError("the real dataset is needed: make data")


@pytest.fixture
def job() -> Program:
    """`python -m job` as a user starts it; returns when it has ended."""

    def start(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return _finish([sys.executable, "-m", "job", *map(str, arguments)], environment)

    return start


@pytest.fixture
def small_job(small_data: tuple[Path, DatasetSpec]) -> Program:
    """The same program over the small dataset, whose runs take two seconds more than its start."""
    command = small_job_command(small_data)

    def start(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return _finish([*command, *map(str, arguments)], environment)

    return start


def small_job_command(small_data: tuple[Path, DatasetSpec]) -> list[str]:
    """The argv of the job over the small dataset, for tests that start it in their own way."""
    return [sys.executable, str(ROOT / "tests" / "small_job.py"), str(small_data[0])]


def _finish(command: list[str], environment: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
