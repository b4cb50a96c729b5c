"""The cells of a leaderboard as people read them; what is not known is a dash."""

from collections.abc import Sequence
from typing import Final

from job.compare.board import Row, Spread
from job.compare.recorded import Setting

MISSING: Final = "-"
LONGEST: Final = 60
HEADINGS: Final = (
    "rank",
    "run",
    "state",
    "accuracy",
    "loss",
    "epochs",
    "train s",
    "images/s",
    "device",
)
NUMBERS: Final = frozenset({"rank", "accuracy", "loss", "epochs", "train s", "images/s"})


def cells(row: Row, differing: Sequence[str]) -> list[str]:
    """One for each heading, then one for each setting that differs."""
    run = row.run
    return [
        number(row.rank, "d"),
        printable(run.name),
        run.told_state,
        number(run.accuracy, ".2%"),
        number(run.loss, ".4f"),
        number(len(run.history), "d"),
        number(run.training_seconds, ".1f"),
        number(run.images_per_second, ",.0f"),
        printable(run.device or MISSING),
        *(written(run.settings.get(name)) for name in differing),
    ]


def spread_cells(spread: Spread) -> list[str]:
    """The settings that the runs share, how many they are, and mean ± standard deviation."""
    return [
        *(written(value) for value in spread.settings.values()),
        str(spread.runs),
        f"{spread.accuracy:.2%} ± {spread.accuracy_deviation:.2%}",
        f"{spread.loss:.4f} ± {spread.loss_deviation:.4f}",
    ]


def number(value: float | None, how: str) -> str:
    """`value` formatted, or a dash."""
    return MISSING if value is None else format(value, how)


def written(value: Setting) -> str:
    """A setting as it would be typed."""
    if value is None:
        return MISSING
    return str(value).lower() if isinstance(value, bool) else printable(str(value))


def printable(text: str) -> str:
    """`text` without what a terminal would obey, and cut where it is endless."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
