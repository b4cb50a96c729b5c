"""How long the job takes from SIGTERM to its exit, with a durable checkpoint, while it trains.

    python bench/stopping.py [tries] [seed]

Each try starts the default job on the real data, lets it train for a random while, and signals it.
"""

import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LONGEST_WAIT_SECONDS: Final = 1.5
INTERRUPTED: Final = 75


def main(tries: int, seed: int) -> None:
    """Print each try, then the median, the 99th percentile and the most."""
    choose = random.Random(seed)  # noqa: S311  # replayed from the seed, not guessed by an enemy
    times = []
    for number in range(tries):
        seconds, step = stop_once(choose.uniform(0, LONGEST_WAIT_SECONDS))
        times.append(seconds)
        sys.stdout.write(f"{number + 1:3}  {1000 * seconds:6.1f} ms  at step {step}\n")
    percentiles = statistics.quantiles(times, n=100, method="inclusive")
    median, late, most = (1000 * each for each in (percentiles[49], percentiles[98], max(times)))
    sys.stdout.write(
        f"median {median:.0f} ms, p99 {late:.0f} ms, most {most:.0f} ms, seed {seed}\n"
    )


def stop_once(wait_seconds: float) -> tuple[float, int]:
    """Seconds from the signal to the exit, and the step that is durable."""
    with tempfile.TemporaryDirectory() as output, _start(output) as process:
        _await_training(process)
        time.sleep(wait_seconds)
        process.send_signal(signal.SIGTERM)
        signalled = time.perf_counter()
        process.wait()  # a wait with a timeout would poll, every 50 ms
        seconds = time.perf_counter() - signalled
        if process.returncode != INTERRUPTED:
            raise SystemExit(f"exit code {process.returncode}, not {INTERRUPTED}")
        newest = max(Path(output, "checkpoints").iterdir())
        return seconds, int(newest.name.removeprefix("step-"))


def _start(output: str) -> "subprocess.Popen[str]":
    flags = ["--output-dir", output, "--data-dir", str(ROOT / "data"), "--epochs", "1000"]
    command = [sys.executable, "-m", "job", *flags]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)  # noqa: S603


def _await_training(process: "subprocess.Popen[str]") -> None:
    for line in process.stderr or ():
        if json.loads(line)["event"] == "loss":
            return
    raise SystemExit("the job ended before it trained")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [20, 0][len(given) :]))
