"""Numbers as a bench would have measured them, for the tests of what is made of them."""

from pathlib import Path
from typing import Any, Final

from measured import Measured

SECONDS: Final = {
    "tutorial": 6.0,
    "job": 1.3,
    "jax": 1.5,
    "gemms": 1.17,
    "gemms-best": 1.1,
    "job-bf16": 0.9,
    "job-eager": 2.1,
    "sklearn": 4.8,
    "tensor-dataset": 3.0,
    "torch-compile": 2.0,
    "to-71": 0.25,
    "evaluation": 0.05,
    "job-whole": 17.0,
    "tutorial-whole": 75.0,
    "explain": 0.4,
}
BESIDE: Final[dict[str, dict[str, Any]]] = {
    "job": {"loss": 2.0439},
    "to-71": {"steps": [150, 200]},
    "evaluation": {"products_seconds": 0.03},
    "job-whole": {"accuracy": 0.7096},
    "tutorial-whole": {"accuracy": 0.7091},
}
MACHINE: Final = {
    "processor": "A processor",
    "instruction_sets": ["avx2"],
    "cores": 2,
    "threads": 2,
    "GOMP_SPINCOUNT": "2000",
    "versions": dict.fromkeys(
        ("python", "torch", "torchvision", "numpy", "jax", "scikit-learn"), "1.0"
    ),
}
NOISE: Final = {"load_before": [0.5, 0, 0], "load_after": [1.9, 0, 0], "steal_percent": 2.5}
DRIFT: Final = (1.0, 1.02, 0.99)  # of the whole machine, so that ratios have no spread


def measured_in(folder: Path, **seconds: float) -> Measured:
    """Three rounds of all contenders; `seconds` replaces some, with `_` for `-` in a name."""
    means = SECONDS | {name.replace("_", "-"): value for name, value in seconds.items()}
    rounds = [
        {
            "noise": NOISE,
            "runs": {
                name: {"seconds": drift * value, **BESIDE.get(name, {})}
                for name, value in means.items()
            },
        }
        for drift in DRIFT
    ]
    return Measured(folder, MACHINE, bf16_accuracy=0.7086, rounds=rounds)
