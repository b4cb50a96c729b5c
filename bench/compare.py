"""The job and its rivals side by side: interleaved runs, medians, ratios with their interval.

    python bench/compare.py [repeats]      writes bench/results/speed.json and docs/performance.md

Each run is a process of its own, and the contenders take turns, because a machine's speed drifts. A
ratio is taken between neighbours in time; its interval is the 95 % one of the mean of its logarithm.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job import describe, files  # noqa: E402  # the path above comes first

DATA_DIR: Final = ROOT / "data"
RESULTS: Final = ROOT / "bench" / "results" / "speed.json"
PAGE: Final = ROOT / "docs" / "performance.md"
ORDER: Final = (
    "job",
    "tutorial",
    "jax",
    "gemms",
    "sklearn",
    "job-eager",
    "job-bf16",
    "tensor-dataset",
    "torch-compile",
    "evaluation",
)
REPEATS: Final = 5
# Two-sided 95 % quantiles of Student's t for 4 to 9 degrees of freedom.
STUDENT: Final = {4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
MEANING: Final = {
    "job": "this job, `JOB_STEP=auto`",
    "tutorial": "the quickstart to the letter",
    "jax": "JAX, the epoch in one jitted scan",
    "gemms": "the eight matrix products of a step alone: the roofline",
    "sklearn": "scikit-learn's MLPClassifier",
    "job-eager": "this job, `JOB_STEP=eager`",
    "job-bf16": "this job, `JOB_PRECISION=bf16`",
    "tensor-dataset": "DataLoader over a TensorDataset",
    "torch-compile": "torch.compile over resident tensors",
    "evaluation": "this job's evaluation of 10,000 images",
}
TEMPLATE: Final = """\
# Performance

One epoch of the quickstart recipe: 938 steps of plain SGD at 1e-3 in batches of 64, fp32, after a
warm-up epoch; training only, no start of a process, no evaluation. Median, least and most seconds of
{repeats} interleaved runs, each a process of its own, on {machine} with {cores} cores, torch {torch}.

| contender | median s | least | most | its time / the job's (95 % interval) |
| --- | --- | --- | --- | --- |
{rows}

A ratio is taken between runs that were neighbours in time. `make bench` repeats all of this and writes
this page; the numbers are in `bench/results/speed.json`.

No GPU was within reach of this measurement; `make bench` on a node with one does not fill that gap
yet, because the step for GPUs is not built.
"""

Times = dict[str, list[float]]


def main(repeats: int) -> None:
    """Measure, then write numbers and page."""
    times: Times = {name: [] for name in ORDER}
    for _ in range(repeats):
        for name in ORDER:
            times[name].append(_seconds(name))
            sys.stdout.write(f"{name} {times[name][-1]:.3f}\n")
            sys.stdout.flush()
    facts = {"machine": describe.device_name("cpu"), "cores": os.cpu_count(), "repeats": repeats}
    facts |= {"torch": describe.versions()["torch"], "python": platform.python_version()}
    files.make_folder(RESULTS.parent)
    files.write_json(RESULTS, {**facts, "seconds": times})
    files.write_text(PAGE, page(facts, times))


def page(facts: dict[str, Any], times: Times) -> str:
    """The table as Markdown."""
    return TEMPLATE.format(rows="\n".join(_row(name, times) for name in ORDER), **facts)


def ratio(of: list[float], to: list[float]) -> tuple[float, float, float]:
    """Geometric mean of the pairwise ratios, and the ends of its 95 % interval."""
    logarithms = [math.log(a / b) for a, b in zip(of, to, strict=True)]
    mean = statistics.mean(logarithms)
    quantile = STUDENT[len(logarithms) - 1]
    reach = quantile * statistics.stdev(logarithms) / math.sqrt(len(logarithms))
    return math.exp(mean), math.exp(mean - reach), math.exp(mean + reach)


def _row(name: str, times: Times) -> str:
    seconds = times[name]
    mean, low, high = ratio(seconds, times["job"])
    cells = [f"{value:.3f}" for value in (statistics.median(seconds), min(seconds), max(seconds))]
    return f"| {MEANING[name]} | {' | '.join(cells)} | {mean:.2f} ({low:.2f} to {high:.2f}) |"


def _seconds(name: str) -> float:
    command = [sys.executable, str(ROOT / "bench" / "contenders.py"), name, str(DATA_DIR)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
