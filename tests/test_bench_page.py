"""The page shows everything that was measured, and what was not."""

from dataclasses import replace
from pathlib import Path

import page
import pytest
from bars import BARS
from lineup import MEANING
from measured import Measured

from bench_numbers import MACHINE, measured_in
from job.step.choice import AUTOMATIC


def test_page_has_every_contender_and_every_bar(tmp_path: Path) -> None:
    """Nobody who lost is left out, and no bar that was missed."""
    written = page.page(measured_in(tmp_path))

    assert [name for name in MEANING.values() if name not in written] == []
    assert [bar.what for bar in BARS if bar.what not in written] == []


def test_page_of_a_bench_that_was_cut_off_can_be_made(tmp_path: Path) -> None:
    """One round that lacks nearly all is shown as it is."""
    runs = {"job": {"seconds": 1.3, "loss": 2.0}}
    noise = {"load_before": [0.5, 0, 0], "load_after": [1, 0, 0], "steal_percent": 0}
    written = page.page(Measured(tmp_path, MACHINE, rounds=[{"noise": noise, "runs": runs}]))

    assert "| 1.300" in written
    assert "`make bench` measures this" in written


def test_empty_rows_have_their_command_once(tmp_path: Path) -> None:
    """Three rows of the GPU are filled by one command."""
    (gpu,) = [line for line in page.remarks(measured_in(tmp_path)) if "gpu.py" in line]

    assert [bar.what for bar in BARS if "H100" in bar.what and bar.what not in gpu] == []


def test_reason_stands_there_only_while_its_bar_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text of the past does not excuse what is met by now."""
    explained = [replace(bar, reason=f"because of {place}") for place, bar in enumerate(BARS)]
    monkeypatch.setattr(page, "BARS", explained)
    reasons = [line for line in page.remarks(measured_in(tmp_path, job=1.6)) if "because" in line]

    assert [line.split(":")[0] for line in reasons] == [
        "epoch, the quickstart / the job",
        "epoch, JAX / the job",
        "share of the roofline by torch.mm",
        "share of the roofline by the job's calls",
    ]


def test_page_tells_the_revision_where_it_is_known(tmp_path: Path) -> None:
    """Older numbers do not have it."""
    measured = measured_in(tmp_path)
    assert "- revision unknown\n" in page.page(measured)

    measured.machine = MACHINE | {"revision": "1234abc"}
    assert "- revision 1234abc\n" in page.page(measured)


def test_page_says_what_auto_takes_on_a_gpu(tmp_path: Path) -> None:
    """Once `auto` takes the graph step there, the sentence has to go."""
    written = " ".join(page.page(measured_in(tmp_path)).split())

    assert ("`auto` takes the eager step there" in written) == ("graph" not in AUTOMATIC)


def test_columns_stand_under_each_other() -> None:
    """The tables are for a terminal, too."""
    assert page.table(("a", "bb"), [("long", "1")]).splitlines() == [
        "| a    | bb |",
        "| ---- | -- |",
        "| long | 1  |",
    ]


def test_table_without_rows_is_left_out() -> None:
    """A heading alone would tell nothing."""
    assert page.table(("a",), []) == ""


def test_row_tells_spread_and_ratio(tmp_path: Path) -> None:
    """Median, least, most, and how often the job's time goes into it."""
    (row,) = [line for line in page.training(measured_in(tmp_path)).splitlines() if "JAX" in line]

    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2:6] == ["1.500", "1.485", "1.530", "1.15 (1.15 to 1.15)"]


def test_one_round_shows_a_ratio_without_interval(tmp_path: Path) -> None:
    """It has none."""
    measured = measured_in(tmp_path)
    del measured.rounds[1:]
    (row,) = [line for line in page.training(measured).splitlines() if "JAX" in line]

    assert row.split("|")[5].strip() == "1.15"


def test_page_tells_how_busy_the_machine_was(tmp_path: Path) -> None:
    """A reader sees whether neighbours took part."""
    measured = measured_in(tmp_path)
    measured.rounds[0]["noise"] = {
        "load_before": [3, 0, 0],
        "load_after": [4, 0, 0],
        "steal_percent": 9,
    }
    written = " ".join(page.page(measured).split())

    assert "0.50 to 3.00 before a round, 1.90 to 4.00 after it" in written
    assert "gave 2.5 to 9.0 % of the time" in written
