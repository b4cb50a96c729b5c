"""The measurement as tables, for the terminal and for docs/performance.md."""

import statistics
from collections.abc import Iterable
from typing import Any, Final

from bars import BARS, Bar
from lineup import MEANING, PARTS, PROGRAMS, TRAINING
from measured import Estimate, Measured

TEMPLATE: Final = """\
# Performance

`make bench` measures all of this anew, writes this page and [the picture](../bench/results/speed.svg),
and keeps the numbers in [speed.json](../bench/results/speed.json). Each run is a process of its own,
the contenders take turns, in every second round in the opposite order, and a ratio is taken between
runs of the same round. Intervals are those of 95 %: of the mean, or of the mean of the logarithms of
the ratios. This page is of {rounds} rounds on

{machine}

## Bars

{bars}

{remarks}

Whoever has a GPU can set `JOB_STEP=graph`: no GPU has seen that step yet, so that `auto` takes the
eager step there, and will take the graph step when `make test-gpu` has passed on one.

![Seconds of each contender](../bench/results/speed.svg)

## One epoch, training only

938 steps of plain SGD at 1e-3 in batches of 64, fp32 where nothing else is said, after an epoch that
warms up: no start of a process, no evaluation. All but the tutorial, which shuffles by itself, go
through the same batches; all but it and scikit-learn begin with the same weights, so that their
losses agree as far as their rounding does. The rooflines do the eight matrix products of a step and
nothing else.

{training}

## Whole programs

From the start of the process to its exit, by the clock of the process that started it: ten epochs,
each with its evaluation, then weights in three formats, pictures and a record. The job finds the
packed files and verifies them, its checkpoints are durable, and its artifacts are read back; the
script (`bench/tutorial_whole.py`) finds the unpacked files and only writes. All of them sleep while
they wait for other threads, as the job sees to it (`GOMP_SPINCOUNT`).

{programs}

## Parts

The way to 71 %, the tutorial's accuracy after ten epochs, takes its recipe at a rate of 0.1. The test
set is looked at every 50 steps, with the clock stopped; mean of five seeds, after one more that warms
up: {steps} steps of 938 an epoch. The tutorial's side is ten times its epoch.

The evaluation is a median of eleven. Its roofline is the three matrix products of 10,000 images, by
torch.mm or by the job's calls, whichever is faster, in the same process: {products}.

{parts}

## Who else was there

Load average of a minute, which counts the bench itself: {load_before} before a round, {load_after}
after it. The host gave {steal} of the time to other guests (steal).
"""

Row = Iterable[str]


def page(measured: Measured) -> str:
    """docs/performance.md."""
    noise = [found["noise"] for found in measured.rounds]
    steps = [count for counts in measured.column("to-71", "steps") for count in counts]
    products = [1000 * seconds for seconds in measured.column("evaluation", "products_seconds")]
    return TEMPLATE.format(
        rounds=len(measured.rounds),
        machine="\n".join(f"- {line}" for line in machine(measured.machine)),
        bars=bars(measured),
        remarks="\n".join(f"- {line}" for line in remarks(measured)),
        training=training(measured),
        programs=programs(measured),
        parts=parts(measured),
        steps=_span(steps, "{}"),
        products=_span(products, "{:.1f}") + " ms",
        load_before=_span([found["load_before"][0] for found in noise], "{:.2f}"),
        load_after=_span([found["load_after"][0] for found in noise], "{:.2f}"),
        steal=_span([found["steal_percent"] for found in noise], "{:.1f}") + " %",
    )


def machine(facts: dict[str, Any]) -> list[str]:
    """What was measured on, in lines."""
    names = ("python", "torch", "torchvision", "numpy", "jax", "scikit-learn")
    return [
        f"revision {facts.get('revision', 'unknown')}",
        f"{facts['processor']} with {', '.join(facts['instruction_sets'])}",
        f"{facts['cores']} cores, {facts['threads']} threads, GOMP_SPINCOUNT={facts['GOMP_SPINCOUNT']}",
        ", ".join(f"{name} {facts['versions'][name]}" for name in names),
    ]


def bars(measured: Measured) -> str:
    """Every bar, with what was measured and whether that reaches it."""
    heading = ("what", "bar", "stretch", "measured (95 % interval)", "")
    return table(heading, [_bar(bar, measured) for bar in BARS])


def remarks(measured: Measured) -> list[str]:
    """Why a bar was missed, and what fills in those that were not measured."""
    reasons = [f"{bar.what}: {bar.reason}" for bar in BARS if bar.reason and bar.missed(measured)]
    lacking: dict[str, list[str]] = {}
    for bar in BARS:
        if bar.measure(measured) is None:
            lacking.setdefault(bar.command, []).append(bar.what)
    return reasons + [
        f"not measured here: {'; '.join(whats)}. `{command}` measures this, and then "
        "`python bench/compare.py --page` writes it down."
        for command, whats in lacking.items()
    ]


def training(measured: Measured) -> str:
    """One epoch of each contender beside the job's."""
    heading = ("contender", *SPREAD, "its time / the job's", "mean loss")
    rows = (
        (
            MEANING[name],
            *_spread(measured, name),
            _ratio(measured, name, "job"),
            _loss(measured, name),
        )
        for name in _measured(TRAINING, measured)
    )
    return table(heading, rows)


def programs(measured: Measured) -> str:
    """Whole programs beside the job."""
    heading = ("program", *SPREAD, "its time / the job's", "accuracy")
    rows = (
        (
            MEANING[name],
            *_spread(measured, name),
            _ratio(measured, name, "job-whole"),
            _span([100 * value for value in measured.column(name, "accuracy")], "{:.2f}") + " %",
        )
        for name in _measured(PROGRAMS, measured)
        if measured.column(name, "accuracy")
    )
    return table(heading, rows)


def parts(measured: Measured) -> str:
    """What is neither an epoch nor a whole run."""
    names = [*PARTS, "explain"]
    rows = ((MEANING[name], *_spread(measured, name)) for name in _measured(names, measured))
    return table(("part", *SPREAD), rows)


def table(heading: Row, rows: Iterable[Row]) -> str:
    """Markdown whose columns stand under each other on a terminal, too; empty without rows."""
    cells = [list(row) for row in (heading, *rows)]
    if len(cells) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in cells
    )


SPREAD: Final = ("median s", "least", "most")


def _spread(measured: Measured, name: str) -> list[str]:
    seconds = measured.column(name)
    return [f"{value:.3f}" for value in (statistics.median(seconds), min(seconds), max(seconds))]


def _bar(bar: Bar, measured: Measured) -> Row:
    limits = bar.limit(bar.bar), bar.limit(bar.stretch)
    return bar.what, *limits, bar.found(measured), bar.verdict(measured)


def _measured(names: Iterable[str], measured: Measured) -> list[str]:
    return [name for name in names if measured.column(name)]


def _ratio(measured: Measured, name: str, to: str) -> str:
    return "-" if name == to else _written(measured.ratio(name, to))


def _written(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _loss(measured: Measured, name: str) -> str:
    losses = measured.column(name, "loss")
    return f"{losses[0]:.5f}" if losses else "-"


def _span(values: list[Any], written: str) -> str:
    ends = [written.format(end) for end in (min(values), max(values))] if values else ["-"]
    return " to ".join(dict.fromkeys(ends))
