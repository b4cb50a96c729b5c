"""What is read out of a confusion matrix."""

import pytest

from job.report.confusion import Mistake, class_names, shades, shares, worst_mistakes
from report_records import evaluation


def test_worst_mistakes_come_largest_first_without_the_diagonal() -> None:
    """A right answer is no mistake, however often it is given."""
    expected = [Mistake("Coat", "Shirt", 4), Mistake("Shirt", "Coat", 1)]

    assert worst_mistakes(evaluation(), most=5) == expected


def test_no_more_mistakes_than_asked_for() -> None:
    """The list is cut after its most frequent entries."""
    assert [mistake.images for mistake in worst_mistakes(evaluation(), most=1)] == [4]


def test_row_without_a_name_goes_by_its_number() -> None:
    """A record with fewer names than rows can still be shown."""
    assert class_names(evaluation(names=("Coat",))) == ["Coat", "1", "2"]


def test_names_without_a_row_are_left_out() -> None:
    """There are as many names as rows."""
    assert class_names(evaluation(names=("a", "b", "c", "d"))) == ["a", "b", "c"]


def test_shares_are_fractions_of_the_row() -> None:
    """A row's shares sum to one."""
    assert shares([1, 0, 3]) == [0.25, 0, 0.75]


def test_empty_row_has_no_shares() -> None:
    """A class without images divides by nothing."""
    assert shares([0, 0]) == [0, 0]


def test_small_shares_are_shaded_more_than_in_proportion() -> None:
    """One mistake in a hundred can be seen beside ninety-nine right answers."""
    assert shades([1, 81, 18])[:2] == pytest.approx([0.1, 0.9])
