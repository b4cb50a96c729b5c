"""The steps on a GPU side by side, the bare products under them, and the whole job.

    python bench/gpu.py DATA_DIR [--repeats 9] [--to FILE]

It prints a table, then one line of JSON; with `--to` the JSON goes into FILE, and only when all was
measured. DATA_DIR has the four files of Fashion-MNIST; the job's own dependencies are enough, and no
network is asked for. The steps take turns, because a machine's speed drifts; medians after two epochs that
are not counted.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import torch  # noqa: E402  # the path above comes first

from job import files  # noqa: E402
from job.data import content, idx  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import ResidentBatches, Split, in_order, plan_epoch  # noqa: E402
from job.evaluate import evaluate  # noqa: E402
from job.model import build  # noqa: E402
from job.schedule import constant  # noqa: E402
from job.step import Precision, Update, make_step  # noqa: E402
from job.step.choice import Kind  # noqa: E402
from job.step.graph import STEPS_PER_REPLAY  # noqa: E402

CUDA: Final = torch.device("cuda")
REPEATS: Final = 9
JOB_REPEATS: Final = 3
BATCH: Final = 64
EVALUATION_BATCH: Final = 5000  # as in job.assemble, which loads much more
EPOCHS: Final = 10
KINDS: Final[tuple[tuple[Kind, Precision], ...]] = (
    ("eager", "fp32"),
    ("graph", "fp32"),
    ("graph", "tf32"),
)
WHOLE: Final[tuple[Kind, ...]] = ("eager", "graph")
Epoch = Callable[[int], None]
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    """Measure and print, then keep what was measured."""
    given = _parse(arguments)
    if not torch.cuda.is_available():
        raise SystemExit("bench/gpu.py needs a GPU that torch can use; nothing was measured")
    told = {**_facts(), "rows": list(_printed(_rows(given.data_dir, given.repeats)))}
    if given.to is None:
        sys.stdout.write(json.dumps(told) + "\n")
        return
    files.make_folder(given.to.parent)
    files.write_json(given.to, told)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="folder of the four files of Fashion-MNIST")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="epochs of each that count")
    parser.add_argument("--to", type=Path, help="file that takes the JSON")
    return parser.parse_args(arguments)


def _printed(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        sys.stdout.write(f"{row['name']:36} {row.get('note') or _written(row)}\n")
        sys.stdout.flush()
        yield row


def _rows(data_dir: Path, repeats: int) -> Iterator[Row]:
    train, test = _batches(data_dir)
    epochs = {
        f"epoch, {kind} {precision}": _training(kind, precision, train) for kind, precision in KINDS
    }
    epochs["epoch, bare products fp32"] = _products(train)
    for name, times in _interleaved(epochs, repeats).items():
        yield _row(name, times)
    for kind in WHOLE:
        yield _ten_epochs(kind, train, test)
    for kind in WHOLE:
        yield _whole_job(kind, data_dir)


def _batches(data_dir: Path) -> tuple[ResidentBatches, ResidentBatches]:
    paths = content.locate(FASHION_MNIST, data_dir)
    arrays = [
        idx.decode(content.read(paths[file], file), file.shape) for file in FASHION_MNIST.files
    ]
    return (
        ResidentBatches(Split.on(CUDA, arrays[0], arrays[1]), BATCH),
        ResidentBatches(Split.on(CUDA, arrays[2], arrays[3]), EVALUATION_BATCH),
    )


def _training(
    kind: Kind, precision: Precision, train: ResidentBatches, network: Any = None
) -> Epoch:
    """An epoch as the job trains it, from its order to its loss."""
    model = build(0, 0.0, CUDA) if network is None else network
    step = make_step(model, Update("sgd", constant(1e-3)), BATCH, kind=kind, precision=precision)

    def epoch(number: int) -> None:
        # What make_step has set for the one that was made last.
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        plan = plan_epoch(0, number, train.images, horizontal_flip=False)
        for _ in step.run(train.epoch(plan), number * len(train)):
            pass
        step.take_loss()

    return epoch


def _products(train: ResidentBatches) -> Epoch:
    """The floor under a step of separate products: these eight alone, in a graph, in fp32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    widths = (784, 512, 512, 10)
    values, slopes = ([torch.rand(BATCH, width, device=CUDA) for width in widths] for _ in "xy")
    weights = [torch.rand(b, a, device=CUDA) for a, b in itertools.pairwise(widths)]

    def step() -> None:
        for number, weight in enumerate(weights):
            torch.mm(values[number], weight.t(), out=values[number + 1])
        for number in reversed(range(len(weights))):
            if number:
                torch.mm(slopes[number + 1], weights[number], out=slopes[number])
            weights[number].addmm_(slopes[number + 1].t(), values[number], alpha=-1e-9)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(STEPS_PER_REPLAY):
            step()

    def epoch(_number: int) -> None:
        for _ in range(len(train) // STEPS_PER_REPLAY):
            graph.replay()
        torch.cuda.synchronize()

    return epoch


def _interleaved(epochs: dict[str, Epoch], repeats: int) -> dict[str, list[float]]:
    """Seconds of each, in turns; the first two of each are not counted."""
    times: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(repeats + 2):
        for name, epoch in epochs.items():
            times[name].append(_seconds(partial(epoch, number)))
    return {name: seconds[2:] for name, seconds in times.items()}


def _ten_epochs(kind: Kind, train: ResidentBatches, test: ResidentBatches) -> Row:
    """Ten epochs, each with its evaluation, from a new network on, the recording included."""

    def run() -> None:
        network = build(0, 0.0, CUDA)
        epoch = _training(kind, "fp32", train, network)
        for number in range(EPOCHS):
            epoch(number)
            tally = evaluate(network, test.epoch(in_order(test.images)), 10)
        accuracies.append(tally.accuracy)

    accuracies: list[float] = []
    times = [_seconds(run) for _ in range(JOB_REPEATS + 1)][1:]
    return {**_row(f"{EPOCHS} epochs and evaluations, {kind}", times), "accuracy": accuracies[-1]}


def _whole_job(kind: Kind, data_dir: Path) -> Row:
    """From the start of the process to its exit, with verified artifacts; the first warms up."""
    name = f"whole job, {kind}"
    try:
        times = [_seconds(partial(_run_job, kind, data_dir)) for _ in range(JOB_REPEATS + 1)]
    except subprocess.CalledProcessError as error:
        return {"name": name, "note": f"left out: exit code {error.returncode}"}
    return _row(name, times[1:])


def _run_job(kind: Kind, data_dir: Path) -> None:
    flags = ["--device", "cuda", "--step", kind, "--data-dir", str(data_dir.resolve())]
    environment = {**os.environ, "JOB_DATA_OFFLINE": "true", "JOB_LOG_LEVEL": "warning"}
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "job", *flags, "--output-dir", output]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603  # the job


def _seconds(work: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _row(name: str, times: list[float]) -> Row:
    return {
        "name": name,
        "median_ms": 1000 * statistics.median(times),
        "least_ms": 1000 * min(times),
        "most_ms": 1000 * max(times),
        "runs": len(times),
    }


def _written(row: Row) -> str:
    values = "".join(f"{row[name]:12.2f}" for name in ("median_ms", "least_ms", "most_ms"))
    return f"{values}  ms: median, least, most of {row['runs']}"


def _facts() -> Row:
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "batch_size": BATCH,
        "steps_per_replay": STEPS_PER_REPLAY,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
