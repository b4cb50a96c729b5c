"""What a bench has measured, as it lies in bench/results/, and estimates made of it."""

import json
import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from job import files

# Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom; the last serves for more.
STUDENT: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
SPEED: Final = "speed.json"
# Written by other benches; absent until they were run.
ACCURATE: Final = "accurate.json"
GPU: Final = "gpu.json"

T = TypeVar("T")


@dataclass(frozen=True)
class Estimate:
    """A mean and the ends of its 95 % interval, which one run alone does not have."""

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""

    def through(self, scale: Callable[[float], float]) -> "Estimate":
        """The same on another scale, which must be a rising one."""
        low, high = (None if end is None else scale(end) for end in (self.low, self.high))
        return Estimate(scale(self.value), low, high, self.note)

    def times(self, factor: float) -> "Estimate":
        """The same in another unit."""
        return self.through(lambda value: factor * value)


@dataclass
class Measured:
    """The numbers of a bench, and the folder that they are for.

    A round has `runs`, by contender what it told, and `noise`, how busy the machine was.
    """

    folder: Path
    machine: dict[str, Any]
    bf16_accuracy: float | None = None
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def column(self, name: str, key: str = "seconds") -> list[Any]:
        """What `name` told under `key`, by round; empty if it took no part or told no such thing."""
        runs = [found["runs"].get(name, {}) for found in self.rounds]
        return [run[key] for run in runs if key in run]

    def ratio(self, of: str, to: str) -> Estimate | None:
        """Seconds of the one divided by those of the other in the same round."""
        both = [found["runs"] for found in self.rounds if {of, to} <= found["runs"].keys()]
        return ratio((runs[of]["seconds"], runs[to]["seconds"]) for runs in both)

    def write(self) -> None:
        """Replace the file of an earlier bench."""
        names = ("machine", "bf16_accuracy", "rounds")
        files.make_folder(self.folder)
        files.write_json(self.folder / SPEED, {name: getattr(self, name) for name in names})


def read(folder: Path) -> Measured:
    """What `Measured.write` wrote."""
    return Measured(folder, **json.loads((folder / SPEED).read_text()))


def mean(values: Iterable[float]) -> Estimate | None:
    """Arithmetic mean with its interval; None of nothing."""
    values = list(values)
    if not values:
        return None
    middle = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(middle)
    quantile = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    reach = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(middle, middle - reach, middle + reach)


def ratio(pairs: Iterable[tuple[float, float]]) -> Estimate | None:
    """Geometric mean of the ratios, with the interval of the mean of their logarithms."""
    found = mean(math.log(of / to) for of, to in pairs)
    return None if found is None else found.through(math.exp)


def accuracies_of_accurate(measured: Measured) -> list[float]:
    """Test accuracies of the `accurate` recipe, one for each seed that bench/accurate.py tried."""
    return _kept(measured.folder / ACCURATE, _accuracies_on_test) or []


def milliseconds_on_gpu(measured: Measured, name: str) -> Estimate | None:
    """The median of the row `name` that bench/gpu.py kept; None until it did."""
    return _kept(measured.folder / GPU, lambda told: _median_of(name, told))


def _accuracies_on_test(rows: Any) -> list[float]:
    return [row["accuracy"] for row in rows if row["judged_on"] == "test"]


def _median_of(name: str, told: Any) -> Estimate | None:
    medians = {row["name"]: row["median_ms"] for row in told["rows"] if "median_ms" in row}
    return Estimate(medians[name], note=told["device"]) if name in medians else None


def _kept(path: Path, take: Callable[[Any], T]) -> T | None:
    """What `take` finds in a file of another bench; None if it is absent, cut off or of no such kind."""
    try:
        return take(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None
