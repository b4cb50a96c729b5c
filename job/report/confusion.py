"""What a confusion matrix says: names for its rows, shares of a row, the mistakes made most."""

from dataclasses import dataclass

from job.record import EvaluationRecord


@dataclass(frozen=True)
class Mistake:
    """Images of class `true` that were taken for class `predicted`."""

    true: str
    predicted: str
    images: int


def class_names(evaluation: EvaluationRecord) -> list[str]:
    """A name for each row of the matrix; a class without one goes by its number."""
    names = dict(enumerate(row.name for row in evaluation.classes))
    return [names.get(place, str(place)) for place in range(len(evaluation.confusion))]


def shares(row: list[int]) -> list[float]:
    """Each count as a fraction of the row; an empty row is all zeros."""
    total = sum(row) or 1
    return [count / total for count in row]


def shades(row: list[int]) -> list[float]:
    """How strongly each cell is coloured, 0 to 1: roots of the shares, so that mistakes show."""
    return [share**0.5 for share in shares(row)]


def worst_mistakes(evaluation: EvaluationRecord, most: int) -> list[Mistake]:
    """The `most` largest counts off the diagonal, largest first, none of them zero."""
    names = class_names(evaluation)
    mistakes = [
        Mistake(names[true], names[predicted], images)
        for true, row in enumerate(evaluation.confusion)
        for predicted, images in enumerate(row)
        if images and true != predicted
    ]
    return sorted(mistakes, key=lambda mistake: -mistake.images)[:most]
