"""What the crash proofs share: one warm start, a seed for each, and a table of what they did.

    CRASH_SEED=123 pytest tests/crash/test_crash_kills.py

replays a proof with the seed that it told.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from job.data.spec import DatasetSpec
from proof import Proof
from small_run import SmallRun, Whole
from warm import Warm, warm_start

LINES: Final = pytest.StashKey[list[str]]()


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Iterator[Proof]:
    """A seed, from CRASH_SEED or by chance, which is told whatever becomes of the proof."""
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
    sys.stdout.write(f"replay with CRASH_SEED={seed}\n")
    proof, started = Proof(seed, random.Random(seed)), time.monotonic()
    yield proof
    done = ", ".join(f"{number:,} {what}" for what, number in proof.done.items())
    told = f"{request.node.name}: {done}; {time.monotonic() - started:.1f} s, seed {seed}"
    request.config.stash.setdefault(LINES, []).append(told)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A process with everything imported, which forks attempts."""
    with warm_start(tmp_path_factory.mktemp("warm")) as server:
        yield server


@pytest.fixture(scope="session")
def whole(
    warm: Warm, small_data: tuple[Path, DatasetSpec], tmp_path_factory: pytest.TempPathFactory
) -> Whole:
    """The run that nothing happened to."""
    run = SmallRun(warm, small_data[0], tmp_path_factory.mktemp("whole") / "output")
    seconds = run.finish()
    return Whole(run.results(), seconds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what each proof has done, and the seed that replays it."""
    if lines := terminalreporter.config.stash.get(LINES, []):
        terminalreporter.section("crash proofs")
        for line in lines:
            terminalreporter.write_line(line)
