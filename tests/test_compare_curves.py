"""Claims about `job.compare.curves`: every run can be told from the others, on any paper."""

from pathlib import Path

import pytest

from job.compare.board import Board, board
from job.compare.curves import COLOURS, MOST_COLOURED, colour, curves, is_dashed
from job.compare.recorded import Epoch, Run
from job.report.theme import PALETTE


def runs(count: int, epochs: int = 3) -> Board:
    """Runs with as many epochs."""
    return board([_run(number, epochs) for number in range(count)])


def _run(number: int, epochs: int) -> Run:
    history = tuple(
        Epoch(epoch=each, train_loss=1 / each, test_loss=1 / each, test_accuracy=0.5)
        for each in range(1, epochs + 1)
    )
    state, name = "finished", f"run-{number}"
    return Run(name, Path(name), state, None, {}, history, 0.5, 1.0)  # type: ignore[arg-type]


def _luminance(hexadecimal: str) -> float:
    parts = [int(hexadecimal[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("paper", [PALETTE["paper"].light, PALETTE["paper"].dark])
@pytest.mark.parametrize("shade", COLOURS)
def test_curve_is_seen_on_light_and_on_dark_paper(shade: str, paper: str) -> None:
    """A contrast of 3:1, as WCAG has it for pictures; they are not swapped by the page."""
    bright, dark = sorted([_luminance(shade), _luminance(paper)], reverse=True)

    assert (bright + 0.05) / (dark + 0.05) >= 3


def test_no_two_coloured_curves_look_alike() -> None:
    """When the colours come round, the lines are dashed; beyond that they are grey."""
    looks = {(colour(place), is_dashed(place)) for place in range(MOST_COLOURED)}

    assert len(looks) == MOST_COLOURED
    assert colour(MOST_COLOURED) is None


def test_picture_is_the_same_for_the_same_runs() -> None:
    """No time and no random name is in it."""
    assert curves(runs(2).rows) == curves(runs(2).rows)


def test_axes_take_the_colours_of_the_page() -> None:
    """Only the curves keep theirs."""
    drawn = curves(runs(1).rows)

    assert set(drawn) == {"accuracy", "loss", "training"}
    for svg in drawn.values():
        assert "var(--muted)" in svg
        assert COLOURS[0] in svg
        assert PALETTE["ink"].light not in svg
        assert "http" not in svg


@pytest.mark.parametrize("board", [runs(3, epochs=0), runs(3, epochs=1), runs(100, epochs=2)])
def test_any_number_of_runs_and_epochs_is_drawn(board: Board) -> None:
    """None at all, a single point, and more than have a colour."""
    assert all(svg.startswith("<svg") for svg in curves(board.rows).values())
