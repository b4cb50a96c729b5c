"""The job and its rivals side by side, against the bars that the project set itself.

    python bench/compare.py [rounds]              the whole bench: numbers, picture, docs/performance.md
    python bench/compare.py [rounds] --only a,b   some contenders: printed, and nothing is written
    python bench/compare.py --page                the page and the picture anew from the numbers

A process is one run of one contender, and the contenders take turns, because a machine's speed
drifts. The numbers are written after every round. Why a bar is missed is told in bench/bars.py.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()  # all contenders, the rivals too

import machine  # noqa: E402
import page  # noqa: E402
import programs  # noqa: E402
from lineup import MEANING  # noqa: E402
from measured import Measured, read  # noqa: E402
from parity import unpack  # noqa: E402
from plot import speed_svg  # noqa: E402

from job import files  # noqa: E402
from job.data import source  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402

DATA_DIR: Final = ROOT / "data"
RESULTS: Final = ROOT / "bench" / "results"
PAGE: Final = ROOT / "docs" / "performance.md"
ROUNDS: Final = 5

Runner = Callable[[str], dict[str, Any]]


def main(arguments: list[str]) -> None:
    """Do what the command line asks for."""
    given = _parse(arguments)
    if given.page:
        publish(read(RESULTS), PAGE)
        return
    measured = Measured(RESULTS, machine.facts())
    with _runner() as run:
        if given.only:
            measure(measured, given.only, given.rounds, run)
        else:
            measured.bf16_accuracy = run("job-whole-bf16")["accuracy"]
            measure(measured, list(MEANING), given.rounds, run, measured.write)
            publish(measured, PAGE)
    sys.stdout.write(summary(measured, whole=not given.only))


def measure(
    measured: Measured,
    names: list[str],
    rounds: int,
    run: Runner,
    keep: Callable[[], None] = lambda: None,
) -> None:
    """Add `rounds` rounds to `measured`, each followed by `keep`."""
    for number in range(rounds):
        runs = {}
        with machine.noise() as noise:
            for name in names[:: -1 if number % 2 else 1]:
                runs[name] = run(name)
                sys.stdout.write(f"{number + 1}/{rounds} {name} {runs[name]['seconds']:.3f}\n")
                sys.stdout.flush()
        measured.rounds.append({"noise": noise, "runs": runs})
        keep()


def publish(measured: Measured, path: Path) -> None:
    """Write the page at `path`, and the picture beside the numbers."""
    files.write_text(measured.folder / "speed.svg", speed_svg(measured))
    files.write_text(path, page.page(measured))


def summary(measured: Measured, *, whole: bool) -> str:
    """The tables for a terminal."""
    tables = [page.training(measured), page.programs(measured), page.parts(measured)]
    if whole:
        tables += [page.bars(measured), *page.remarks(measured)]
    return "\n" + "\n\n".join(filter(None, tables)) + "\n"


@contextmanager
def _runner() -> Iterator[Runner]:
    dataset = source.read(FASHION_MNIST, data_dir=DATA_DIR, offline=True)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(dataset, Path(folder))

        def run(name: str) -> dict[str, Any]:
            if name in programs.PROGRAMS:
                return programs.run(name, DATA_DIR, unpacked)
            script = ROOT / "bench" / "contenders.py"
            printed = programs.finish(name, [str(script), name, str(DATA_DIR)])
            told: dict[str, Any] = json.loads(printed.splitlines()[-1])
            return told

        yield run


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rounds", nargs="?", type=int, default=ROUNDS)
    parser.add_argument("--only", type=_names, help=f"some of {', '.join(MEANING)}")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page anew")
    return parser.parse_args(arguments)


def _names(given: str) -> list[str]:
    names = given.split(",")
    if unknown := [name for name in names if name not in MEANING]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(MEANING)}")
    return names


if __name__ == "__main__":
    main(sys.argv[1:])
