"""Fills the page's template: numbers in words, missing parts as notes, everything escaped."""

from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from job.record import RunRecord
from job.report.confusion import class_names, shades, worst_mistakes
from job.report.pictures import svg_curves
from job.report.theme import PALETTE
from job.report.words import duration, number, percent, plain, prose, size

MISTAKES_SHOWN: Final = 3


@dataclass(frozen=True)
class Check:
    """One preflight check as text; what an older file does not say is empty."""

    name: str
    verdict: str
    seen: str
    remedy: str


def page(record: RunRecord, preflight: dict[str, Any] | None) -> str:
    """The whole page as HTML."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            record=record,
            checks=_checks(preflight),
            # Drawn here and free of outside text, so it is the one thing that is not escaped.
            curves={name: Markup(svg) for name, svg in svg_curves(record.history).items()},  # noqa: S704
            class_names=class_names(record.evaluation),
            mistakes=worst_mistakes(record.evaluation, MISTAKES_SHOWN),
            palette=PALETTE,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("job.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (percent, duration, size, number, plain, prose, shades)
    environment.filters.update({each.__name__: each for each in filters})
    return environment


def _checks(preflight: dict[str, Any] | None) -> list[Check]:
    found = (preflight or {}).get("checks") or []
    fields = Check.__dataclass_fields__
    return [Check(**{name: plain(check.get(name), "") for name in fields}) for check in found]
