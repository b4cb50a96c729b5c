"""The bars that the project set itself for speed, and whether what was measured reaches them.

A bar that is missed stays in the table, with the reason, which is written down here by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from lineup import MEANING, OTHER_RIVALS
from measured import Estimate, Measured, accuracies_of_accurate, mean, milliseconds_on_gpu, ratio

EPOCHS: Final = 10
BF16_INSTRUCTIONS: Final = frozenset({"avx512_bf16", "amx_bf16"})
GPU_COMMAND: Final = "python bench/gpu.py DATA_DIR --to bench/results/gpu.json"

Measure = Callable[[Measured], Estimate | None]


@dataclass(frozen=True)
class Bar:
    """What is to be reached, how it is measured and written, by which command, why it was missed."""

    what: str
    bar: float
    stretch: float | None
    written: str
    measure: Measure
    at_most: bool = False
    command: str = "make bench"
    reason: str = ""

    def limit(self, value: float | None) -> str:
        """The bar or the stretch as text."""
        sign = "≤" if self.at_most else "≥"
        return "-" if value is None else f"{sign} {self.written.format(value)}"

    def found(self, measured: Measured) -> str:
        """What was measured, with its interval, as text."""
        estimate = self.measure(measured)
        if estimate is None:
            return "-"
        written = self.written.format
        ends = [written(end) for end in (estimate.low, estimate.high) if end is not None]
        interval = f" ({' to '.join(ends)})" if ends else ""
        return written(estimate.value) + interval + (estimate.note and f", {estimate.note}")

    def verdict(self, measured: Measured) -> str:
        """What was reached, and whether the interval has inside what it was judged by."""
        estimate = self.measure(measured)
        if estimate is None:
            return "not measured"
        word, limit = self._judged(estimate.value)
        if estimate.low is None or estimate.high is None:
            return word
        return word + (", but not for certain" if estimate.low < limit < estimate.high else "")

    def missed(self, measured: Measured) -> bool:
        """Tell whether it was measured and not reached."""
        return self.verdict(measured).startswith("missed")

    def _judged(self, value: float) -> tuple[str, float]:
        """A word, and the bar or the stretch that it speaks of."""
        if self.stretch is not None and self._reached(value, self.stretch):
            return "stretch met", self.stretch
        return ("met" if self._reached(value, self.bar) else "missed"), self.bar

    def _reached(self, value: float, limit: float) -> bool:
        return value <= limit if self.at_most else value >= limit


def _ratio(of: str, to: str) -> Measure:
    return lambda measured: measured.ratio(of, to)


def _share(of: str, to: str) -> Measure:
    return lambda measured: _times(100, measured.ratio(of, to))


def _nearest_rival(measured: Measured) -> Estimate | None:
    ratios = {name: measured.ratio(name, "job") for name in OTHER_RIVALS}
    found = {name: estimate for name, estimate in ratios.items() if estimate is not None}
    if not found:
        return None
    nearest = min(found, key=lambda name: found[name].value)
    return replace(found[nearest], note=f"nearest: {MEANING[nearest]}")


def _bf16_speed(measured: Measured) -> Estimate | None:
    found = measured.ratio("job", "job-bf16")
    if found is None or BF16_INSTRUCTIONS & set(measured.machine["instruction_sets"]):
        return found
    return replace(found, note="on cores without bf16 instructions, for which the bar is not meant")


def _bf16_accuracy(measured: Measured) -> Estimate | None:
    fp32 = measured.column("job-whole", "accuracy")
    if not fp32 or measured.bf16_accuracy is None:
        return None
    note = f"{100 * measured.bf16_accuracy:.2f} % beside {100 * fp32[0]:.2f} %"
    return Estimate(100 * abs(measured.bf16_accuracy - fp32[0]), note=note)


def _time_to_accuracy(measured: Measured) -> Estimate | None:
    return _times(EPOCHS, measured.ratio("tutorial", "to-71"))


def _milliseconds(name: str) -> Measure:
    return lambda measured: _times(1000, mean(measured.column(name)))


def _evaluation(measured: Measured) -> Estimate | None:
    columns = (measured.column("evaluation", key) for key in ("products_seconds", "seconds"))
    share = _times(100, ratio(zip(*columns, strict=True)))
    found = _milliseconds("evaluation")(measured)
    return found and share and replace(found, note=f"{share.value:.0f} % of the roofline")


def _accurate(measured: Measured) -> Estimate | None:
    accuracies = accuracies_of_accurate(measured)
    found = _times(100, mean(accuracies))
    return found and replace(found, note=f"{len(accuracies)} seeds")


def _gpu(name: str, unit: float = 1) -> Measure:
    return lambda measured: _times(unit, milliseconds_on_gpu(measured, name))


def _times(factor: float, estimate: Estimate | None) -> Estimate | None:
    return estimate and estimate.times(factor)


JAX_REASON: Final = (
    "the eight products alone take as long as JAX's whole epoch, to a few hundredths, and what lies "
    "between them takes the job 0.2 s: some twenty operations a step, which XLA compiles into few "
    "and torch starts one after the other from Python. Nothing is compiled at run time here. What "
    "was tried stands in docs/decisions.md."
)
BF16_REASON: Final = (
    "torch has no product on a CPU that adds bf16 to fp32 weights, so that every step passes three "
    "times over 2.7 MB of them. What was tried stands in docs/decisions.md."
)
EVALUATION_REASON: Final = (
    "its three products alone take longer here. They are 13.4 GFLOP, and 60 ms would take 223 "
    "GFLOP/s of two cores that multiplied 207 at most."
)

_at_most: Final = partial(Bar, at_most=True)
_on_gpu: Final = partial(Bar, at_most=True, command=GPU_COMMAND)

BARS: Final = (
    Bar("epoch, the quickstart / the job", 4, 5, "{:.2f}×", _ratio("tutorial", "job")),
    Bar("epoch, JAX / the job", 1, 1.15, "{:.2f}×", _ratio("jax", "job"), reason=JAX_REASON),
    Bar("epoch, every other rival / the job", 1.25, 1.5, "{:.2f}×", _nearest_rival),
    Bar("share of the roofline by torch.mm", 80, 90, "{:.0f} %", _share("gemms", "job")),
    Bar(
        "share of the roofline by the job's calls", 80, 90, "{:.0f} %", _share("gemms-best", "job")
    ),
    Bar("epoch, the job in fp32 / in bf16", 1.3, 2, "{:.2f}×", _bf16_speed, reason=BF16_REASON),
    _at_most("bf16, accuracy beside fp32, 10 epochs", 0.3, None, "{:.2f} points", _bf16_accuracy),
    Bar(
        "10 epochs, the script / the whole job",
        3.5,
        4.5,
        "{:.2f}×",
        _ratio("tutorial-whole", "job-whole"),
    ),
    Bar("10 epochs of the quickstart / the job up to 71 %", 40, 100, "{:.0f}×", _time_to_accuracy),
    _at_most(
        "evaluation of 10,000 images", 60, 40, "{:.1f} ms", _evaluation, reason=EVALUATION_REASON
    ),
    Bar(
        "`accurate`, mean test accuracy",
        90,
        91,
        "{:.2f} %",
        _accurate,
        command="python bench/accurate.py prove",
    ),
    _on_gpu(
        "one H100, `JOB_STEP=graph`, epoch of 938 steps",
        40,
        20,
        "{:.1f} ms",
        _gpu("epoch, graph fp32"),
    ),
    _on_gpu(
        "one H100, `JOB_STEP=graph`, 10 epochs with evaluation",
        0.45,
        0.22,
        "{:.2f} s",
        _gpu("10 epochs and evaluations, graph", 0.001),
    ),
    _on_gpu(
        "one H100, `JOB_STEP=graph`, whole job",
        4,
        2.5,
        "{:.2f} s",
        _gpu("whole job, graph", 0.001),
    ),
    _at_most("`python -m job explain`", 500, 250, "{:.0f} ms", _milliseconds("explain")),
)
