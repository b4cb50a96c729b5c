"""What the samples of a GPU come to: means, peaks, and what held its clocks down."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from job.record import GpuUseRecord

# Of each measure its name, its unit, and how many of that are one of the record's.
MEASURES: Final = {
    "utilisation": ("Utilisation", "%", 100.0),
    "memory_bytes": ("Memory used", "GB", 1e-9),
    "watts": ("Power", "W", 1.0),
    "sm_clock": ("SM clock", "MHz", 1.0),
    "memory_clock": ("Memory clock", "MHz", 1.0),
    "celsius": ("Temperature", "°C", 1.0),
}


@dataclass(frozen=True)
class Measure:
    """One measure of a GPU over time, in `unit`; a value is None where it was not told."""

    name: str
    unit: str
    seconds: tuple[float, ...]
    values: tuple[float | None, ...]

    @property
    def known(self) -> tuple[float, ...]:
        """The values that were told."""
        return tuple(value for value in self.values if value is not None)

    @property
    def mean(self) -> float:
        """Of the known values, which must be some."""
        return sum(self.known) / len(self.known)


def measures(use: GpuUseRecord) -> dict[str, Measure]:
    """Those that the GPU tells, by their names in the record."""
    seconds = tuple(sample.seconds for sample in use.samples)
    found = {
        field: Measure(name, unit, seconds, _scaled(use, field, scale))
        for field, (name, unit, scale) in MEASURES.items()
    }
    return {field: measure for field, measure in found.items() if measure.known}


def throttling(use: GpuUseRecord) -> dict[str, float]:
    """In what share of the samples each reason held the clocks down, the most frequent first."""
    reasons = Counter(reason for sample in use.samples for reason in sample.throttling)
    return {reason: count / len(use.samples) for reason, count in reasons.most_common()}


def throttled_seconds(use: GpuUseRecord) -> list[float]:
    """The times of the samples in which anything did."""
    return [sample.seconds for sample in use.samples if sample.throttling]


def highest(measures_shown: Iterable[Measure]) -> float:
    """The largest value of any of them."""
    return max(value for measure in measures_shown for value in measure.known)


def _scaled(use: GpuUseRecord, field: str, scale: float) -> tuple[float | None, ...]:
    values = [getattr(sample, field) for sample in use.samples]
    return tuple(None if value is None else value * scale for value in values)
