"""Claims about `job.compare.words`."""

from pathlib import Path

from job.compare.board import Row, Spread
from job.compare.recorded import Run
from job.compare.words import HEADINGS, MISSING, cells, printable, spread_cells


def test_row_has_a_cell_for_each_heading_and_setting() -> None:
    """What is not known is a dash."""
    row = Row(None, Run("x", Path("x"), "killed", settings={"nesterov": True}))
    shown = dict(
        zip((*HEADINGS, "seed", "nesterov"), cells(row, ["seed", "nesterov"]), strict=True)
    )

    assert shown["run"] == "x"
    assert shown["nesterov"] == "true"
    assert shown["epochs"] == "0"
    assert shown["accuracy"] == shown["seed"] == shown["rank"] == MISSING


def test_spread_is_mean_and_deviation() -> None:
    """Accuracies as per cent."""
    spread = Spread({"learning_rate": 0.1}, 3, 0.8123, 0.0045, 0.5, 0.01)

    assert spread_cells(spread) == ["0.1", "3", "81.23% ± 0.45%", "0.5000 ± 0.0100"]


def test_text_of_others_does_not_command_the_terminal() -> None:
    """A folder may be named by anybody, with escapes and without end."""
    shown = printable("\x1b[2Jred\n" + "x" * 500)

    assert shown.isprintable()
    assert len(shown) == 60
