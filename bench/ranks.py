"""How fast are several ranks on these cores? Steps of 1, 2 and 4 ranks that talk through gloo.

    python bench/ranks.py [rounds]      measures, writes bench/results/ranks.json and docs/scaling.md

In a round, worlds of each size are started one after the other, as the launcher would start them;
within a world the contenders take turns (bench/rank_loop.py). The numbers are written after every
round.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()  # it is told with the machine

import machine  # noqa: E402
import scaling  # noqa: E402

from job import files  # noqa: E402
from job.launch.launcher import free_port, rank_environments  # noqa: E402
from job.world.placement import LOOPBACK, Node  # noqa: E402

RANK_LOOP: Final = ROOT / "bench" / "rank_loop.py"
DATA_DIR: Final = ROOT / "data"
RESULTS: Final = ROOT / "bench" / "results" / "ranks.json"
SIZES: Final = (1, 2, 4)
ROUNDS: Final = 8
WINDOWS: Final = 5
STEPS: Final = 192  # twelve times what is gathered at once

Times = dict[str, list[float]]
RunWorld = Callable[[int], Times]


def main(rounds: int) -> None:
    """Measure, then write the page."""
    measure(RESULTS, rounds, run_world)
    scaling.publish()


def measure(path: Path, rounds: int, run: RunWorld) -> None:
    """Write the machine and `rounds` rounds of all sizes to `path`, anew after each round."""
    found: dict[str, Any] = {"machine": machine.facts(), "steps": STEPS, "rounds": []}
    for number in range(rounds):
        with machine.noise() as noise:
            worlds = {str(size): run(size) for size in SIZES[:: -1 if number % 2 else 1]}
        found["rounds"].append({"noise": noise, "worlds": worlds})
        files.make_folder(path.parent)
        files.write_json(path, found)
        sys.stdout.write(f"{number + 1}/{rounds} {_words(worlds)}\n")
        sys.stdout.flush()


def run_world(
    size: int, data_dir: Path = DATA_DIR, windows: int = WINDOWS, steps: int = STEPS
) -> Times:
    """Start so many ranks on this host; return what rank 0 tells.

    Raises `SystemExit` if one of them fails.
    """
    node = Node(0, 1, LOOPBACK, free_port(), "bench")
    command = [sys.executable, str(RANK_LOOP), str(data_dir), str(windows), str(steps)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOB_")}
    environments = rank_environments({**kept, "CUDA_VISIBLE_DEVICES": ""}, node, size)
    ranks = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
        for environment in environments.values()
    ]
    told = [rank.communicate()[0] for rank in ranks]
    if failed := [rank.returncode for rank in ranks if rank.returncode]:
        raise SystemExit(f"{size} ranks: exit codes {failed}")
    times: Times = json.loads(told[0].splitlines()[-1])  # gloo greets on the lines before
    return times


def _words(worlds: dict[str, Times]) -> str:
    shown = (
        f"{name} ×{size} {1000 * sorted(times)[len(times) // 2]:.2f} ms"
        for size, found in sorted(worlds.items())
        for name, times in found.items()
    )
    return ", ".join(shown)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
