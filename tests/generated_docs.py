"""The pages of docs/ that repeat the code, made from the code; `make docs` writes them.

`test_documentation.py` holds what is committed against what is made here.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from job.errors import POLICIES  # noqa: E402  # the path above comes first
from job.record import EpochRecord, RunRecord  # noqa: E402
from job.settings import (  # noqa: E402
    CompareSettings,
    PredictSettings,
    PreflightSettings,
    ReportSettings,
    Settings,
    SweepSettings,
)
from job.settings.fields import EnvironmentSettings  # noqa: E402
from job.settings.recipes import RECIPES  # noqa: E402
from job.settings.sources import describe_allowed  # noqa: E402

DOCS: Final = ROOT / "docs"

SETTINGS_PAGE: Final = """\
# Settings

Every setting is an environment variable and a flag: `JOB_LEARNING_RATE` is `--learning-rate`. A
flag beats the variable, the variable beats the recipe, the recipe beats the default; an empty
variable counts as unset. What a [sweep](sweeps.md) chooses stands before the recipe. A value that
is not allowed, or a `JOB_*` that does not exist, ends in exit code 78 with one line per fault.
`python -m job explain` shows what is in force and why.

| variable | default | allowed | meaning |
| --- | --- | --- | --- |
{settings}

## Recipes

`JOB_RECIPE` sets the defaults of these:

| variable | {recipe_names} |
| --- |{rule}
{recipes}

## `preflight` has these, too

| variable | default | allowed | meaning |
| --- | --- | --- | --- |
{preflight}

## `predict` has these, too

| variable | default | allowed | meaning |
| --- | --- | --- | --- |
{predict}

## So have `sweep`, `compare` and `report`

| variable | default | allowed | meaning |
| --- | --- | --- | --- |
{sweep}
{compare}
{report}

The variables of one command are let through by the others, so that one environment serves all.
`JOB_COMPLETION_INDEX`, which Kubernetes gives to the pods of an Indexed Job, is let through: with
`JOB_SWEEP` it is the point, otherwise the node. [Sweeps](sweeps.md) has what a swept value may be.
"""

EXIT_CODES_PAGE: Final = """\
# Exit codes

From sysexits.h where it has a word, from the 80s where it has none. Kubernetes' column is what
`podFailurePolicy` is to do, Slurm's what the batch script is to do.

| code | meaning | Kubernetes | Slurm |
| --- | --- | --- | --- |
{rows}

A run that was killed (137) left no word; the next attempt goes on from its last checkpoint. 0 is
never returned for training that is unfinished: Kubernetes would mark the Job Complete.

* **73** names the other job where one is at work in the folder: [one job at a
  time](outputs.md#one-job-at-a-time).
* **82** ends a run in which nothing has moved for `JOB_STALL_SECONDS`; all threads' stacks are in
  its log. `python -m job health` ends with it, too: [is it alive?](outputs.md#is-it-alive)
* **83** ends the attempt after `JOB_MAX_ATTEMPTS_WITHOUT_PROGRESS` attempts in vain, before it
  begins: [attempts](outputs.md#attempts). Started again after that, the job counts anew.
"""


def settings_page() -> str:
    """`docs/settings.md`."""
    recipe_fields = next(iter(RECIPES.values()))
    return SETTINGS_PAGE.format(
        settings="\n".join(_setting(Settings, name) for name in Settings.model_fields),
        recipe_names=" | ".join(f"`{name}`" for name in RECIPES),
        rule=" --- |" * len(RECIPES),
        recipes="\n".join(_recipe_row(name) for name in recipe_fields),
        preflight=_own(PreflightSettings, Settings),
        predict=_own(PredictSettings, EnvironmentSettings),
        sweep=_own(SweepSettings, Settings),
        compare=_own(CompareSettings, EnvironmentSettings),
        report=_own(ReportSettings, Settings),
    )


def exit_codes_page() -> str:
    """`docs/exit-codes.md`."""
    rows = (
        f"| {int(code)} | {policy.meaning} | {policy.kubernetes} | {policy.slurm} |"
        for code, policy in POLICIES.items()
    )
    return EXIT_CODES_PAGE.format(rows="\n".join(rows))


def schema() -> str:
    """`docs/metrics.schema.json`: that of `metrics.json`."""
    return json.dumps(RunRecord.model_json_schema(), indent=2) + "\n"


def history_schema() -> str:
    """`docs/metrics-line.schema.json`: that of a line of `metrics.jsonl`."""
    return json.dumps(EpochRecord.model_json_schema(), indent=2) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "exit-codes.md": exit_codes_page,
    "metrics.schema.json": schema,
    "metrics-line.schema.json": history_schema,
}


def _setting(kind: type[EnvironmentSettings], name: str) -> str:
    field = kind.model_fields[name]
    return (
        f"| `JOB_{name.upper()}` | {_code(field.default)} | {describe_allowed(field)} "
        f"| {field.description} |"
    )


def _own(kind: type[EnvironmentSettings], beyond: type[EnvironmentSettings]) -> str:
    """The rows of the fields that `kind` has and `beyond` has not."""
    names = [name for name in kind.model_fields if name not in beyond.model_fields]
    return "\n".join(_setting(kind, name) for name in names)


def _recipe_row(name: str) -> str:
    values = " | ".join(_code(recipe[name]) for recipe in RECIPES.values())
    return f"| `JOB_{name.upper()}` | {values} |"


def _code(value: Any) -> str:
    if value is None or value == []:
        return "unset"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
