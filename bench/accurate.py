"""How far the quickstart's network goes: the trials behind the `accurate` recipe, and its proof.

    python bench/accurate.py search [--flag=value ...]   one trial on held-out training images
    python bench/accurate.py prove [seed ...]            seeds of the recipe on the test set

A trial trains on 50,000 images of the training set and is judged on the other 10,000, which are the
same in every trial; the test set is not read. Results are added to bench/results/accurate.json.
"""

import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()

import torch  # noqa: E402  # after the line above, as in the job
from measured import mean  # noqa: E402

from job import files  # noqa: E402
from job.assemble import make_trainee  # noqa: E402
from job.data import source  # noqa: E402
from job.data.dataset import Dataset  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import in_order, plan_epoch  # noqa: E402
from job.evaluate import evaluate  # noqa: E402
from job.settings import Settings, load  # noqa: E402
from job.train import START, train  # noqa: E402

RESULTS: Final = ROOT / "bench" / "results" / "accurate.json"
HELD_OUT: Final = 10_000
SEEDS: Final = range(10)
USAGE: Final = 64


def main(arguments: list[str]) -> None:
    """Run one trial, or what is missing of the proof."""
    match arguments:
        case ["search", *flags]:
            _add("held-out", flags, hold_out(_dataset()))
        case ["prove", *seeds] if all(seed.isdecimal() for seed in seeds):
            prove(list(map(int, seeds)) or list(SEEDS))
        case _:
            sys.stderr.write(__doc__ or "")
            raise SystemExit(USAGE)


def prove(seeds: list[int]) -> None:
    """Try those of `seeds` that are not proven yet, then tell what all that are proven say."""
    dataset = _dataset()
    for seed in seeds:
        flags = [f"--seed={seed}"]
        if flags not in [row["flags"] for row in _all_rows() if _is_proof(row)]:
            _add("test", flags, dataset)
    sys.stdout.write(summary([row["accuracy"] for row in _all_rows() if _is_proof(row)]))


def _dataset() -> Dataset:
    return source.read(FASHION_MNIST, data_dir=ROOT / "data", offline=True)


def _all_rows() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def _is_proof(row: dict[str, Any]) -> bool:
    """Whether `row` judged, on the test set, the recipe as it is now.

    A setting that came after the row had its default there.
    """
    if row["judged_on"] != "test":
        return False
    defaults = Settings.model_construct().training_values()
    return {**defaults, **row["settings"]} == _settings(row["flags"]).training_values()


def _settings(flags: list[str]) -> Settings:
    return load(Settings, ["--recipe=accurate", *flags], "accurate")


def hold_out(dataset: Dataset) -> Dataset:
    """Return 50,000 of the training images, and the other 10,000 in place of the test set."""
    shuffled = torch.randperm(len(dataset.train_labels), generator=torch.Generator().manual_seed(0))
    kept, held = shuffled[HELD_OUT:].numpy(), shuffled[:HELD_OUT].numpy()
    return replace(
        dataset,
        train_images=dataset.train_images[kept],
        train_labels=dataset.train_labels[kept],
        test_images=dataset.train_images[held],
        test_labels=dataset.train_labels[held],
    )


def accuracies(settings: Settings, dataset: Dataset) -> list[float]:
    """Train by `settings`; return the accuracy after each epoch."""
    trainee = make_trainee(settings, dataset, torch.device("cpu"))
    session, test = trainee.session, trainee.test
    plan = partial(
        plan_epoch,
        settings.seed,
        size=session.batches.images,
        horizontal_flip=settings.horizontal_flip,
    )
    found = []
    for position in train(session.step, session.batches, plan, settings.epochs, START):
        if position.batch == len(session.batches):
            batches = test.epoch(in_order(test.images))
            found.append(evaluate(trainee.network, batches, 10).accuracy)
    return found


def summary(of_seeds: list[float]) -> str:
    """Mean with its 95 % interval, which one seed alone does not have, in per cent."""
    per_cent = [100 * value for value in of_seeds]
    found = mean(per_cent)
    if found is None:
        return "no seed was tried\n"
    reach = "" if found.high is None else f" ± {found.high - found.value:.2f}"
    return (
        f"{found.value:.2f}{reach} % (mean{reach and ' with its 95 % interval'}), "
        f"least {min(per_cent):.2f}, most {max(per_cent):.2f}, seeds: {len(per_cent)}\n"
    )


def _add(judged_on: str, flags: list[str], dataset: Dataset) -> None:
    settings = _settings(flags)
    started = time.perf_counter()
    found = accuracies(settings, dataset)
    seconds = round(time.perf_counter() - started, 1)
    row = {"judged_on": judged_on, "flags": flags, "accuracy": found[-1], "seconds": seconds}
    row |= {"settings": settings.training_values(), "by_epoch": found}
    files.make_folder(RESULTS.parent)
    files.write_json(RESULTS, [*_still_true(_all_rows()), row])  # others may have added some
    sys.stdout.write(f"{judged_on} {' '.join(flags)}: {found[-1]:.4f} in {seconds} s\n")
    sys.stdout.flush()


def _still_true(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All trials, which carry their settings, and what proves the recipe as it is now."""
    return [row for row in rows if row["judged_on"] != "test" or _is_proof(row)]


if __name__ == "__main__":
    main(sys.argv[1:])
