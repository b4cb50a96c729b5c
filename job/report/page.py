"""Fills the page's template: numbers in words, missing parts as notes, everything escaped."""

from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from job.report.confusion import class_names, shades, worst_mistakes
from job.report.content import Content
from job.report.gpu import Measure, measures, throttling
from job.report.gpu_pictures import PICTURES, svg_pictures
from job.report.pictures import svg_curves
from job.report.theme import PALETTE
from job.report.words import duration, moment, number, percent, plain, prose, sentence, size

MISTAKES_SHOWN: Final = 3
FILTERS: Final = (percent, duration, moment, size, number, plain, prose, sentence, shades)


@dataclass(frozen=True)
class Check:
    """One preflight check as text; what an older file does not say is empty."""

    name: str
    verdict: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class SureMistake:
    """A mistake with the names of its classes; `picture` is a data URI, or empty."""

    index: int
    true: str
    predicted: str
    probability: float
    picture: str


@dataclass(frozen=True)
class GpuView:
    """The samples of a GPU as the page shows them."""

    name: str
    samples: int
    measures: list[Measure]
    throttling: dict[str, float]
    pictures: list[tuple[str, Markup]]


def page(content: Content) -> str:
    """The whole page as HTML."""
    template = _environment().get_template("report.html.j2")
    evaluation = content.evaluation
    return template.render(
        run=content,
        title=title(content),
        checks=_checks(content.preflight),
        curves={name: _drawn(svg) for name, svg in svg_curves(content.history).items()},
        class_names=class_names(evaluation) if evaluation else [],
        mistakes=worst_mistakes(evaluation, MISTAKES_SHOWN) if evaluation else [],
        sure_mistakes=_sure_mistakes(content),
        gpu=_gpu_view(content),
        palette=PALETTE,
    )


def title(content: Content) -> str:
    """What there is to say of the run in one line: its result, or how far it came."""
    name = content.dataset.name if content.dataset else "Training run"
    if (evaluation := content.evaluation) is not None:
        share, images = percent(evaluation.accuracy), number(evaluation.images)
        return f"{name}: {share} of {images} test images named right"
    if not content.history:
        return f"{name}: {content.ending.words}, no epoch done"
    last = content.history[-1]
    reached = f"{percent(last.test_accuracy)} accuracy after epoch {last.epoch}"
    return f"{name}: {content.ending.words}, {reached}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("job.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({each.__name__: each for each in FILTERS})
    return environment


def _drawn(svg: str) -> Markup:
    """Drawn here and free of outside text, so it is the one thing that is not escaped."""
    return Markup(svg)  # noqa: S704  # as the docstring says


def _checks(preflight: dict[str, Any] | None) -> list[Check]:
    found = (preflight or {}).get("checks")
    checks = (
        [check for check in found if isinstance(check, dict)] if isinstance(found, list) else []
    )
    fields = Check.__dataclass_fields__
    return [Check(**{name: plain(check.get(name), "") for name in fields}) for check in checks]


def _sure_mistakes(content: Content) -> list[SureMistake]:
    names = dict(enumerate(class_names(content.evaluation))) if content.evaluation else {}
    return [
        SureMistake(
            mistake.index,
            names.get(mistake.true, str(mistake.true)),
            names.get(mistake.predicted, str(mistake.predicted)),
            mistake.probability,
            content.pictures.get(mistake.index, ""),
        )
        for mistake in content.mistakes
    ]


def _gpu_view(content: Content) -> GpuView | None:
    use = content.gpu_use
    if use is None or not use.samples:
        return None
    known = measures(use)
    pictures = [
        (_in_words([known[field] for field in PICTURES[name] if field in known]), _drawn(svg))
        for name, svg in svg_pictures(use).items()
    ]
    return GpuView(use.gpu, len(use.samples), list(known.values()), throttling(use), pictures)


def _in_words(shown: list[Measure]) -> str:
    parts = (
        f"{each.name} over time: {number(each.mean)} {each.unit} on average, "
        f"{number(max(each.known))} {each.unit} at most."
        for each in shown
    )
    return " ".join(parts)
