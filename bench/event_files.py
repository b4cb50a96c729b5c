"""What it costs a step that TensorBoard reads along, measured in turns in one process.

    python bench/event_files.py DATA_DIR [pairs]

A turn is a stretch of steps, then an epoch that is told: with a board that writes, or with one that
does nothing. So an epoch is written every 100 steps, where a run has 938 of them. The turns of a
pair stand side by side, and in every second pair the other way round. The first turn of all that
is watched, in which the thread imports the package, counts apart. Prints JSON.

Beside the clock stands the processor's time, of all threads: with OMP_NUM_THREADS=1 it is the same
on a machine that others use, too, and what the writing could cost at most, had it no core of its own.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from job.settings.threads import let_waiting_threads_sleep  # noqa: E402

let_waiting_threads_sleep()

import machine  # noqa: E402
import measured  # noqa: E402
import torch  # noqa: E402  # after the line above, as in the job

from job.assemble import make_trainee  # noqa: E402
from job.data import source  # noqa: E402
from job.data.spec import FASHION_MNIST  # noqa: E402
from job.data.split import plan_epoch  # noqa: E402
from job.lease import Lease  # noqa: E402
from job.record import EpochRecord  # noqa: E402
from job.session import Session  # noqa: E402
from job.settings import Settings  # noqa: E402
from job.tensorboard import Board, make_board  # noqa: E402

STEPS: Final = 100
WARM_UP_TURNS: Final = 3
DEFAULT_PAIRS: Final = 100


class Seconds(NamedTuple):
    """What a turn took."""

    clock: float
    processor: float


def main(data_dir: Path, pairs: int) -> None:
    """Measure, and print one line."""
    dataset = source.read(FASHION_MNIST, data_dir=data_dir, offline=True)
    settings = Settings()
    steps = forever(make_trainee(settings, dataset, torch.device("cpu")).session)
    with machine.noise() as noise, tempfile.TemporaryDirectory() as folder:
        for _ in range(WARM_UP_TURNS):
            turn(steps, Board(), 1)
        with make_board(Path(folder), Lease(), wanted=True) as board:
            board.begin([], settings.training_values())
            first = turn(steps, board, 1)
            both = [pair(steps, board, number) for number in range(2, 2 + pairs)]
    sys.stdout.write(json.dumps(told(first, both) | {"noise": noise}) + "\n")


def forever(session: Session) -> Iterator[int]:
    """Step after step, epoch after epoch."""
    epoch = 0
    while True:
        plan = plan_epoch(0, epoch, session.batches.images, horizontal_flip=False)
        yield from session.step.run(session.batches.epoch(plan), 0)
        epoch += 1


def pair(steps: Iterator[int], board: Board, number: int) -> tuple[Seconds, Seconds]:
    """What a turn took that is watched and of one that is not, side by side."""
    turns = [(True, board), (False, Board())]
    found = {watched: turn(steps, one, number) for watched, one in turns[:: (-1) ** number]}
    return found[True], found[False]


def turn(steps: Iterator[int], board: Board, number: int) -> Seconds:
    """Tell the board of an epoch, and return what the steps took during which it writes."""
    started, spent = time.perf_counter(), time.process_time()
    board.note(epoch_record(number))
    for _ in islice(steps, STEPS):
        pass
    return Seconds(time.perf_counter() - started, time.process_time() - spent)


def epoch_record(number: int) -> EpochRecord:
    """An epoch to be told of, whose numbers do not matter."""
    numbers = dict.fromkeys(EpochRecord.model_fields, 0.5)
    return EpochRecord.model_validate({**numbers, "epoch": number, "step": STEPS * number})


def told(first: Seconds, both: list[tuple[Seconds, Seconds]]) -> dict[str, Any]:
    """By the clock and by the processor: ratios, and milliseconds of a step that nobody watches."""
    return {"pairs": len(both)} | {name: _told(name, first, both) for name in Seconds._fields}


def _told(name: str, first: Seconds, both: list[tuple[Seconds, Seconds]]) -> dict[str, Any]:
    pairs = [(getattr(watched, name), getattr(plain, name)) for watched, plain in both]
    ratio, plain = measured.ratio(pairs), statistics.median(plain for _, plain in pairs)
    if ratio is None:
        raise SystemExit("at least one pair is needed")
    return {
        "step_ms": 1000 * plain / STEPS,
        "ratio": [ratio.value, ratio.low, ratio.high],
        "median_ratio": statistics.median(watched / plain for watched, plain in pairs),
        "first_turn_extra_ms": 1000 * (getattr(first, name) - plain),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else DEFAULT_PAIRS)  # noqa: PLR2004
