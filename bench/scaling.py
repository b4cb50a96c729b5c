"""docs/scaling.md: what was measured of several ranks, what formulae say, what failures cost.

python bench/scaling.py        the page anew from bench/results/ranks.json and failures.json
"""

import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

import allreduce  # noqa: E402  # the path above comes first
from allreduce import CLUSTERS, GIGA, MICRO, Cluster  # noqa: E402
from measured import Estimate, ratio  # noqa: E402
from scaling_page import TEMPLATE  # noqa: E402

from job import files  # noqa: E402

RESULTS: Final = ROOT / "bench" / "results"
PAGE: Final = ROOT / "docs" / "scaling.md"
STEPS: Final = (("1", "fused"), ("1", "eager"), ("2", "shared"), ("4", "shared"))
VOTE_BYTES, LEAST_BYTES, OWN_BYTES, MOST_BYTES = 4, 65_536, 2_678_828, 16_777_216
# What two ranks needed for the least and the most bytes is fitted, and so proves nothing.
CHECKED: Final = (("2", OWN_BYTES), *(("4", size) for size in (LEAST_BYTES, OWN_BYTES, MOST_BYTES)))
# Products of a step forward, of both factors backward but for the images; two operations each.
WEIGHTS: Final = (784 * 512, 512 * 512, 512 * 10)
FLOP_PER_IMAGE: Final = 6 * sum(WEIGHTS) - 2 * WEIGHTS[0]
FP32_PEAK: Final = 67e12  # data sheet of the H100 SXM
BF16_REACHED: Final = 400e12  # 40 % of the same sheet's 989
BF16_BYTES: Final = 2
FLOP_PER_WEIGHT_AND_TOKEN: Final = 6
BATCH: Final = 64

Found = dict[str, Any]


def publish() -> None:
    """Write the page, if both files are there."""
    paths = [RESULTS / name for name in ("ranks.json", "failures.json")]
    if missing := [path.name for path in paths if not path.exists()]:
        sys.stdout.write(f"docs/scaling.md is not written: no {', '.join(missing)} yet\n")
        return
    ranks, failures = (json.loads(path.read_text()) for path in paths)
    files.write_text(PAGE, page(ranks, failures))


def page(ranks: Found, failures: Found) -> str:
    """The page, as Markdown."""
    facts = ranks["machine"]
    slower = {size: slowdown(ranks, size) for size in ("2", "4")}
    return TEMPLATE.format(
        processor=facts["processor"],
        cores=facts["cores"],
        torch=facts["versions"]["torch"],
        rounds=len(ranks["rounds"]),
        load=_span(found["noise"]["load_before"][0] for found in ranks["rounds"]),
        slower_2=_interval(slower["2"]),
        slower_4=_interval(slower["4"]),
        steps=_table(
            ("ranks", "step", "ms a step", "steps/s", "time of one rank's"), _steps(ranks)
        ),
        wrapped=_table(("ranks", "flat ms", "wrapper ms", "wrapper / flat"), _wrapped(ranks)),
        share_2=f"{_exchange_share(ranks, '2'):.0%}",
        share_4=f"{_exchange_share(ranks, '4'):.0%}",
        vote_2=f"{1000 * _exchanged(ranks, '2', VOTE_BYTES):.2f}",
        vote_4=f"{1000 * _exchanged(ranks, '4', VOTE_BYTES):.2f}",
        hop=f"{fitted(ranks)[0] / MICRO:.0f}",
        bandwidth=f"{fitted(ranks)[1] / GIGA:.2f}",
        check=_table(
            ("ranks", "bytes", "measured ms", "own links ms", "one road ms", ""), _check(ranks)
        ),
        arithmetic=f"{BATCH * FLOP_PER_IMAGE / FP32_PEAK / MICRO:.1f}",
        clusters=_table(
            ("GPUs", "all-reduce of 2.7 MB", "of it latency", "images a GPU", "tokens a GPU"),
            map(_cluster, CLUSTERS),
        ),
        runs=f"{failures['runs']:,}",
        seed=failures["seed"],
        this_job=_failures(failures, 0),
        large=_failures(failures, 1),
        saving=f"{failures['habits'][0]['saving']:g}",
        restart=f"{failures['habits'][0]['restart']:g}",
    )


def medians(ranks: Found, size: str, name: str) -> list[float]:
    """Seconds a step, or an exchange, in the middle window of each round."""
    return [statistics.median(found["worlds"][size][name]) for found in ranks["rounds"]]


def slowdown(ranks: Found, size: str) -> Estimate:
    """How many times as long a step takes as that of one rank, with the eager step, too."""
    return _ratio(medians(ranks, size, "shared"), medians(ranks, "1", "eager"))


def fitted(ranks: Found) -> tuple[float, float]:
    """Seconds a hop, and bytes a second, as two ranks show them with the least and most bytes."""
    least, most = (_exchanged(ranks, "2", size) for size in (LEAST_BYTES, MOST_BYTES))
    bandwidth = (MOST_BYTES - LEAST_BYTES) / (most - least)
    return (least - LEAST_BYTES / bandwidth) / 2, bandwidth


def _exchanged(ranks: Found, size: str, exchanged: int) -> float:
    return statistics.median(medians(ranks, size, f"exchange {exchanged}"))


def _exchange_share(ranks: Found, size: str) -> float:
    step = statistics.median(medians(ranks, size, "shared"))
    return _exchanged(ranks, size, OWN_BYTES) / step


def _steps(ranks: Found) -> Iterable[tuple[str, ...]]:
    alone = medians(ranks, "1", "eager")
    for size, name in STEPS:
        seconds = medians(ranks, size, name)
        middle = statistics.median(seconds)
        against = _interval(_ratio(seconds, alone))
        yield size, f"`{name}`", _spread(seconds), f"{1 / middle:.0f}", against


def _wrapped(ranks: Found) -> Iterable[tuple[str, ...]]:
    for size in ("2", "4"):
        flat, wrapped = (medians(ranks, size, name) for name in ("shared", "ddp"))
        yield size, _spread(flat), _spread(wrapped), _interval(_ratio(wrapped, flat))


def _check(ranks: Found) -> Iterable[tuple[str, ...]]:
    hop, bandwidth = fitted(ranks)
    for size, exchanged in CHECKED:
        own, road = (
            formula(int(size), exchanged, hop, bandwidth)
            for formula in (allreduce.ring, allreduce.one_road)
        )
        seconds = _exchanged(ranks, size, exchanged)
        milliseconds = (f"{1000 * value:.2f}" for value in (seconds, own, road))
        yield size, f"{exchanged:,}", *milliseconds, _verdict(seconds, own, road)


def _verdict(seconds: float, own: float, road: float) -> str:
    """Where the measured time lies beside the two that are computed."""
    if seconds < own:
        return f"{1 - seconds / own:.0%} below"
    return f"{seconds / road - 1:.0%} above" if seconds > road else "between"


def _cluster(cluster: Cluster) -> tuple[str, ...]:
    latency, whole = (allreduce.seconds(cluster, size) for size in (0, OWN_BYTES))
    images = whole * FP32_PEAK / FLOP_PER_IMAGE
    a_weight = allreduce.slope(cluster) * BF16_BYTES
    tokens = a_weight * BF16_REACHED / FLOP_PER_WEIGHT_AND_TOKEN
    microseconds = (f"{value / MICRO:.0f} µs" for value in (whole, latency))
    return cluster.name, *microseconds, f"{_rounded(images):,}", f"{_rounded(tokens):,}"


def _failures(failures: Found, habit: int) -> str:
    name = failures["habits"][habit]["name"]
    rows = [row for row in failures["rows"] if row["habit"] == name]
    columns = "GPUs, rate, a failure every, save every, goodput, formula, at 30 s, at 1 h"
    return _table(tuple(columns.split(", ")), map(_failures_row, rows))


def _failures_row(row: Found) -> tuple[str, ...]:
    shares = (row[key] for key in ("goodput_daly", "formula", "goodput_default", "goodput_hour"))
    times = (_time(row[key]) for key in ("mtbf", "daly"))
    return f"{row['gpus']:,}", row["rate"], *times, *(f"{share:.2%}" for share in shares)


def _time(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _rounded(value: float) -> int:
    """To two digits, which is more than the constants are good for."""
    return int(float(f"{value:.1e}"))


def _ratio(of: list[float], to: list[float]) -> Estimate:
    found = ratio(zip(of, to, strict=True))
    if found is None:
        raise SystemExit("bench/results/ranks.json has no rounds: make scaling")
    return found


def _interval(found: Estimate) -> str:
    if found.low is None:
        return f"{found.value:.2f} (one round)"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _spread(seconds: list[float]) -> str:
    least, middle, most = (1000 * f(seconds) for f in (min, statistics.median, max))
    return f"{middle:.2f} ({least:.2f} to {most:.2f})"


def _span(values: Iterable[float]) -> str:
    values = list(values)
    return f"{min(values):.1f} to {max(values):.1f}"


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    publish()
