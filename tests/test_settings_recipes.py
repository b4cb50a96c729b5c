"""Claims about `job.settings.recipes`."""

from typing import Final, get_args

import pytest

from job.settings import Settings, load
from job.settings.fields import TRAINING_FIELDS
from job.settings.recipes import RECIPES, Recipe

# What is learnt, by what, and how it is computed: the same hyperparameters may serve all of them.
CHOSEN_APART: Final = {"model", "model_weights", "dataset", "image_size", "seed", "precision"}


def test_quickstart_is_that_of_pytorch() -> None:
    """SGD at 1e-3 in batches of 64 for 10 epochs, and nothing that the tutorial does not have."""
    assert RECIPES["quickstart"] == {
        "epochs": 10,
        "batch_size": 64,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
        "schedule": "constant",
        "label_smoothing": 0.0,
        "dropout": 0.0,
        "horizontal_flip": False,
    }


def test_quickstart_is_what_the_help_shows() -> None:
    """The defaults of the fields are the values of the default recipe."""
    assert Settings.model_fields["recipe"].default == "quickstart"
    for name, value in RECIPES["quickstart"].items():
        assert Settings.model_fields[name].default == value


def test_each_recipe_has_a_name_that_can_be_set() -> None:
    """The table and the type of the setting list the same."""
    assert set(RECIPES) == set(get_args(Recipe))


@pytest.mark.parametrize("name", get_args(Recipe))
def test_recipe_is_whole(name: Recipe) -> None:
    """It sets what the others set, so that none leans on another one's values."""
    assert RECIPES[name].keys() == RECIPES["quickstart"].keys()
    assert RECIPES[name].keys() | CHOSEN_APART == set(TRAINING_FIELDS)


@pytest.mark.parametrize("name", get_args(Recipe))
def test_recipe_is_valid(name: Recipe) -> None:
    """Chosen by its name alone, it gives its own values, and says so."""
    settings = load(Settings, ["--recipe", name], "job")
    values = settings.model_dump()

    assert {field: values[field] for field in RECIPES[name]} == RECIPES[name]
    assert {settings.origins[field] for field in RECIPES[name]} == {"recipe"}
