"""How long the job takes from its start to its first step after a stop, beside `import torch` alone.

    python bench/restarting.py [rounds]

Each round starts both as new processes: one that imports torch and leaves at once, and the default
job on the real data, which goes on from a checkpoint. Both time themselves, from the start of their
own code on.
"""

# ruff: noqa: S603  # what it starts is the project itself

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
IMPORT: Final = "import time; t = time.perf_counter(); import torch; print(time.perf_counter() - t)"
JOB: Final = [sys.executable, "-m", "job", "--data-dir", str(ROOT / "data"), "--epochs", "1"]
INTERRUPTED: Final = 75


def main(rounds: int) -> None:
    """Print each round, then the median of the ratios."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        stopped, output = Path(folder, "stopped"), Path(folder, "output")
        _leave_a_checkpoint(stopped)
        for number in range(rounds):
            shutil.copytree(stopped, output)
            alone, restart = _import_seconds(), _restart_seconds(output)
            shutil.rmtree(output)
            ratios.append(restart / alone)
            sys.stdout.write(
                f"{number + 1:3}  {restart:.2f} s / {alone:.2f} s = {ratios[-1]:.2f}\n"
            )
    low, high = min(ratios), max(ratios)
    sys.stdout.write(f"median {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})\n")


def _leave_a_checkpoint(output: Path) -> None:
    """Stop a job as soon as it trains."""
    with subprocess.Popen(_command(output), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            if json.loads(line)["event"] == "loss":
                process.send_signal(signal.SIGTERM)
    if process.returncode != INTERRUPTED:
        raise SystemExit(f"exit code {process.returncode}, not {INTERRUPTED}")


def _import_seconds() -> float:
    command = [sys.executable, "-c", IMPORT]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def _restart_seconds(output: Path) -> float:
    environment = {**os.environ, "JOB_RESUME": "required"}
    subprocess.run(
        _command(output), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, check=True
    )
    record = json.loads((output / "metrics.json").read_text())
    seconds: float = record["timings"]["first_step"]
    return seconds


def _command(output: Path) -> list[str]:
    return [*JOB, "--output-dir", str(output)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
