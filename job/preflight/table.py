"""The preflight as a table for people."""

from typing import Final

from rich.table import Table
from rich.text import Text

from job.preflight.result import Preflight
from job.preflight.verdict import Check, Verdict

STYLES: Final[dict[Verdict, str]] = {
    "pass": "green",
    "warn": "yellow",
    "fail": "bold red",
    "skip": "dim",
}


def table(preflight: Preflight) -> Table:
    """One row per check, with the remedy below what was seen, and the choice as the caption."""
    grid = Table(
        title=f"Preflight of {preflight.node}: {preflight.verdict}",
        caption=Text(f"{preflight.device}, because {preflight.device_reason}"),
    )
    for heading in ("verdict", "check", "what was seen"):
        grid.add_column(heading)
    grid.add_column("ms", justify="right")
    for check in preflight.checks:
        grid.add_row(*_cells(check))
    return grid


def _cells(check: Check) -> tuple[Text, Text, Text, Text]:
    # Text, because [words] of an error or a path would vanish as markup.
    seen = Text(check.seen)
    if check.remedy and check.verdict != "pass":
        seen.append(f"\n→ {check.remedy}", style="italic")
    verdict = Text(check.verdict, style=STYLES[check.verdict])
    return verdict, Text(check.name), seen, Text(f"{check.seconds * 1000:.0f}")
