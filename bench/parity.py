"""Is the `quickstart` recipe the quickstart? Accuracies of ten seeds, beside the tutorial's own.

python bench/parity.py        measures what bench/results/parity.json lacks, writes docs/parity.md
"""

import gzip
import json
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import quickstart  # noqa: E402  # the path above comes first
import torch  # noqa: E402

from job import files  # noqa: E402
from job.assemble import make_trainee  # noqa: E402
from job.data import content, source  # noqa: E402
from job.data.dataset import Dataset  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import in_order, plan_epoch  # noqa: E402
from job.evaluate import evaluate  # noqa: E402
from job.settings import Settings, load  # noqa: E402
from job.train import START, train  # noqa: E402

SEEDS: Final = range(10)
EPOCHS: Final = 10
RESULTS: Final = ROOT / "bench" / "results" / "parity.json"
PAGE: Final = ROOT / "docs" / "parity.md"
ROADS: Final = {
    "tutorial": [],
    "dataloader": ["--pipeline=dataloader", "--step=eager"],
    "resident": ["--pipeline=resident", "--step=auto"],
}
# Accuracies that independent logs of the tutorial show, in per cent.
PUBLISHED: Final = {5: (64.0, 65.6), 10: (70.0, 71.7)}
BAR_POINTS: Final = 0.3

TEMPLATE: Final = """\
# Parity with the quickstart

Test accuracy in per cent, mean ± standard deviation over seeds 0 to 9. *tutorial* is the tutorial's
own code (`bench/quickstart.py`), which draws its orders from torch's global generator. The other
two are the `quickstart` recipe of this job: *dataloader* with the eager step, which is the reference,
and *resident* with the step that `auto` picks, which is the default. *published* is the range of
twelve independent logs of the tutorial. The bar is {bar} points between the means.

| epochs | tutorial | dataloader | resident | resident - dataloader | resident - tutorial | published |
| --- | --- | --- | --- | --- | --- | --- |
{means}

Both pipelines go through the same batches; with the same step they end at the same weights, bit for
bit (`tests/test_run.py`). The fused step rounds otherwise than the eager one: after an epoch their
weights differ by some millionths (`tests/test_end_to_end.py`), and some images change sides.

{heading}
{rule}
{seeds}

`make parity` measures what `bench/results/parity.json` lacks and writes this page; delete that file
to measure all of it. It takes more than half an hour on two cores.
"""

Rows = list[dict[str, Any]]


def main() -> None:
    """Measure what is missing, then write the page."""
    dataset = source.read(FASHION_MNIST, data_dir=ROOT / "data", offline=True)
    rows: Rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    done = {(row["road"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(dataset, Path(folder))
        for seed in SEEDS:
            for road in ROADS:
                if (road, seed) not in done:
                    rows.append(_measure(road, seed, dataset, unpacked))
                    files.make_folder(RESULTS.parent)
                    files.write_json(RESULTS, rows)
    files.write_text(PAGE, page(rows))


def _measure(road: str, seed: int, dataset: Dataset, unpacked: Path) -> dict[str, Any]:
    if road == "tutorial":
        results = quickstart.train(unpacked, seed, EPOCHS)
        accuracies = [result.accuracy for result in results]
    else:
        accuracies = _accuracies_of_the_job(road, seed, dataset)
    sys.stdout.write(f"{road} seed {seed}: {accuracies[4]:.4f} {accuracies[9]:.4f}\n")
    sys.stdout.flush()
    return {"road": road, "seed": seed, "accuracies": accuracies}


def _accuracies_of_the_job(road: str, seed: int, dataset: Dataset) -> list[float]:
    settings = load(Settings, [*ROADS[road], f"--seed={seed}"], "parity")
    trainee = make_trainee(settings, dataset, torch.device("cpu"))
    session, test = trainee.session, trainee.test
    plan = partial(plan_epoch, seed, size=session.batches.images, horizontal_flip=False)
    accuracies = []
    for position in train(session.step, session.batches, plan, EPOCHS, START):
        if position.batch == len(session.batches):
            batches = test.epoch(in_order(test.images))
            accuracies.append(evaluate(trainee.network, batches, 10).accuracy)
    return accuracies


def unpack(dataset: Dataset, folder: Path) -> Path:
    """Write the four files in torchvision's layout below `folder`; return it."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file, path in content.locate(FASHION_MNIST, dataset.folder).items():
        packed = path.read_bytes()
        (raw / file.name).write_bytes(gzip.decompress(packed) if path.suffix else packed)
    return folder


def page(rows: Rows) -> str:
    """The measured table with its verdict, as Markdown."""
    columns = [f"{road} {epochs}" for road in ROADS for epochs in PUBLISHED]
    return TEMPLATE.format(
        bar=BAR_POINTS,
        means="\n".join(_table_row(rows, epochs) for epochs in PUBLISHED),
        heading=" | ".join(["| seed", *columns]) + " |",
        rule="| --- |" + " --- |" * len(columns),
        seeds="\n".join(_seed_row(rows, seed) for seed in SEEDS),
    )


def _table_row(rows: Rows, epochs: int) -> str:
    values = {road: _values(rows, road, epochs) for road in ROADS}
    means = {road: statistics.mean(each) for road, each in values.items()}
    spreads = {road: statistics.stdev(each) for road, each in values.items()}
    cells = [f"{means[road]:.2f} ± {spreads[road]:.2f}" for road in ROADS]
    differences = [f"{means['resident'] - means[road]:+.2f}" for road in ("dataloader", "tutorial")]
    low, high = PUBLISHED[epochs]
    return " | ".join([f"| {epochs}", *cells, *differences, f"{low} to {high} |"])


def _seed_row(rows: Rows, seed: int) -> str:
    cells = [f"{_values(rows, road, epochs)[seed]:.2f}" for road in ROADS for epochs in PUBLISHED]
    return f"| {seed} | " + " | ".join(cells) + " |"


def _values(rows: Rows, road: str, epochs: int) -> list[float]:
    chosen = sorted((row for row in rows if row["road"] == road), key=lambda row: int(row["seed"]))
    return [100 * row["accuracies"][epochs - 1] for row in chosen]


if __name__ == "__main__":
    main()
