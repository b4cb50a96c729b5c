"""Trials are kept with their settings, and a proof is one of the recipe as it is now."""

import json
from pathlib import Path
from typing import Any, Final

import accurate
import pytest

from job.data.dataset import Dataset
from job.settings import Settings, load

SEED: Final = "--seed=3"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where trials are kept; each takes no time and reaches 90 %."""
    monkeypatch.setattr(accurate, "RESULTS", tmp_path / "accurate.json")
    monkeypatch.setattr(accurate, "_dataset", lambda: None)
    monkeypatch.setattr(accurate, "accuracies", lambda *_: [0.8, 0.9])
    return tmp_path / "accurate.json"


def row(judged_on: str = "test", **changed: Any) -> dict[str, Any]:
    """A trial of the recipe with 91 %, some of whose settings were others."""
    settings = load(Settings, ["--recipe=accurate", SEED], "accurate").training_values()
    return {
        "judged_on": judged_on,
        "flags": [SEED],
        "accuracy": 0.91,
        "settings": settings | changed,
    }


def kept(results: Path) -> list[float]:
    """The accuracies in the file."""
    return [each["accuracy"] for each in json.loads(results.read_text())]


@pytest.mark.parametrize("arguments", [[], ["proof"], ["prove", "three"], ["prove", "--seed=3"]])
def test_command_that_does_not_exist_is_an_error_of_usage(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Ten seeds take half an hour, and nobody trains them by a misspelt word."""
    with pytest.raises(SystemExit) as ended:
        accurate.main(arguments)

    assert ended.value.code == 64
    assert "bench/accurate.py prove [seed ...]" in capsys.readouterr().err
    assert not results.exists()


def test_seed_that_is_proven_is_not_tried_again(results: Path) -> None:
    """A proof that was cut off goes on."""
    results.write_text(json.dumps([row()]))
    accurate.main(["prove", "3", "4"])

    assert kept(results) == [0.91, 0.9]


def test_proof_of_another_recipe_makes_room_for_a_new_one(results: Path) -> None:
    """The mean of what two recipes reached would be that of neither."""
    results.write_text(json.dumps([row(dropout=0.5), row("held-out", dropout=0.5)]))
    accurate.main(["prove", "3"])

    assert kept(results) == [0.91, 0.9]
    assert [each["judged_on"] for each in json.loads(results.read_text())] == ["held-out", "test"]


def test_setting_that_came_later_had_its_default(results: Path) -> None:
    """A new setting leaves a proof as good as it was, until the recipe sets it."""
    older = row()
    del older["settings"]["dataset"]
    results.write_text(json.dumps([older]))
    accurate.main(["prove", "3"])

    assert kept(results) == [0.91]


def test_trial_is_kept_with_its_flags(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It proves nothing of the recipe, and it is judged on what was held out."""
    asked: list[Dataset] = []
    monkeypatch.setattr(accurate, "hold_out", asked.append)
    accurate.main(["search", "--epochs=2"])

    (trial,) = json.loads(results.read_text())
    assert (trial["judged_on"], trial["flags"]) == ("held-out", ["--epochs=2"])
    assert len(asked) == 1


def test_summary_is_of_any_number_of_seeds() -> None:
    """Two have one degree of freedom, whose quantile is 12.706; one alone has no interval."""
    assert accurate.summary([0.90, 0.91]).startswith("90.50 ± 6.35 %")
    assert accurate.summary([0.9]) == "90.00 % (mean), least 90.00, most 90.00, seeds: 1\n"
