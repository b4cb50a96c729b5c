"""A recipe sets the defaults of the hyperparameters; a variable or flag that is set wins."""

from typing import Any, Final, Literal

Recipe = Literal["quickstart", "accurate"]

RECIPES: Final[dict[Recipe, dict[str, Any]]] = {
    # The PyTorch quickstart to the letter, except that the order is shuffled in both of its splits.
    "quickstart": {
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
    },
    # The same network, trained well.
    "accurate": {
        "epochs": 40,
        "batch_size": 256,
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.05,
        "schedule": "one-cycle",
        "label_smoothing": 0.05,
        "dropout": 0.2,
        "horizontal_flip": False,
    },
}
