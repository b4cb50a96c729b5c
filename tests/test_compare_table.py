"""Claims about `job.compare.table`: the same board for people, programs and spreadsheets."""

import csv
import io
import json
from pathlib import Path

from job.compare.board import Board, board
from job.compare.recorded import Run
from job.compare.table import as_csv, as_json, for_people

BOARD = board(
    [
        Run("a", Path("a"), "finished", 0, {"seed": 1, "nesterov": True}, (), 0.8, 0.5, 9.0),
        Run("=1+1", Path("b"), "failed", 81, {"seed": 2, "nesterov": False}),
        Run("c", Path("c"), "finished", 0, {"seed": 2, "nesterov": True}, (), 0.9, 0.4, 9.5),
    ]
)


def rows() -> list[dict[str, str]]:
    """The lines of the CSV."""
    return list(csv.DictReader(io.StringIO(as_csv(BOARD))))


def test_people_see_every_run_and_what_differs() -> None:
    """One line each, the best first, and the spread below."""
    shown = for_people(BOARD)

    for words in ("Runs: 3", "90.00%", "failed (81)", "nesterov", "seed", "85.00% ± 7.07%"):
        assert words in shown
    assert shown.index("90.00%") < shown.index("80.00%")


def test_programs_get_numbers_and_all_settings() -> None:
    """Nothing is rounded or in words."""
    told = json.loads(as_json(BOARD))

    assert [run["accuracy"] for run in told["runs"]] == [0.9, 0.8, None]
    assert told["runs"][2]["exit_code"] == 81
    assert told["differing"] == ["seed", "nesterov"]
    assert told["spreads"][0]["runs"] == 2


def test_csv_has_a_line_for_each_run() -> None:
    """What is not known is empty; settings that differ are columns."""
    assert [row["rank"] for row in rows()] == ["1", "2", ""]
    assert [row["accuracy"] for row in rows()] == ["0.9", "0.8", ""]
    assert [row["nesterov"] for row in rows()] == ["true", "true", "false"]


def test_name_of_a_run_is_no_formula() -> None:
    """A spreadsheet would compute it."""
    assert rows()[2]["run"] == "'=1+1"


def test_name_of_a_setting_is_text_too() -> None:
    """No markup, no command to the terminal, no formula: a record may name anything."""
    runs = [
        Run("x", Path("x"), "finished", settings={"[/red]": seed, "=1+1": seed, "\x1b[2J": seed})
        for seed in (1, 2)
    ]
    shown = for_people(board(runs))

    assert "[/red]" in shown
    assert "\x1b" not in shown
    assert "'=1+1" in as_csv(board(runs)).splitlines()[0]


def test_board_of_one_run_is_a_board(tmp_path: Path) -> None:
    """Nothing differs, nothing spreads."""
    single: Board = board([Run("a", tmp_path, "killed")])

    assert "Runs: 1" in for_people(single)
    assert as_csv(single).count("\n") == 2
