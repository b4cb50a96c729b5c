"""Claims about `job.compare.page`: one file that every browser, telephone and reader can show."""

from pathlib import Path

import html5lib
import pytest

from compared_runs import attempt, finished, leave
from job.compare.board import board
from job.compare.folders import find_runs
from job.compare.page import page

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def shown(tmp_path: Path) -> str:
    """The page of five runs: two that differ in the seed, another, a failed and a hostile one."""
    long_name = "0000-a-name-that-is-rather-long-for-a-telephone"
    finished(tmp_path / "sweep" / long_name, 0.81, seed=1, batch_size=64, optimizer="sgd")
    finished(tmp_path / "sweep" / "0001", 0.83, seed=2, batch_size=64, optimizer="sgd")
    finished(tmp_path / "sweep" / "0002", 0.90, seed=1, batch_size=32, optimizer="sgd")
    leave(tmp_path / "sweep" / "0003", epochs=1, attempts=[attempt(exit_code=81)])
    finished(tmp_path / "sweep" / "0004", 0.10, seed=1, batch_size=32, optimizer=EVIL)
    return page(board(find_runs([tmp_path / "sweep"])))


def test_page_is_valid_and_loads_nothing(shown: str) -> None:
    """By the rules of HTML; the policy in its head forbids what it does not need."""
    html5lib.HTMLParser(strict=True).parse(shown)

    assert "default-src 'none'" in shown
    assert "http:" not in shown
    assert "https:" not in shown


def test_what_runs_say_is_text(shown: str) -> None:
    """Settings and names may be anybody's."""
    assert EVIL not in shown
    assert "&lt;script&gt;" in shown


def test_page_has_board_spread_and_curves(shown: str) -> None:
    """The best first, what differs, and every run's state."""
    assert shown.index("90.00%") < shown.index("83.00%") < shown.index("81.00%")
    assert "What differs: seed, batch_size, optimizer." in shown
    assert "failed (81)" in shown
    assert "82.00% ± 1.41%" in shown
    assert shown.count("<svg") == 3


def test_page_of_runs_that_tell_nothing_has_notes(tmp_path: Path) -> None:
    """No heading stands above an empty place."""
    leave(tmp_path / "run", attempts=[attempt()])
    shown = page(board(find_runs([tmp_path])))

    assert "No run has finished yet." in shown
    assert "No run has finished an epoch." in shown
    assert "No setting differs" in shown
    html5lib.HTMLParser(strict=True).parse(shown)
