"""What would run, before it runs: the settings and their origins, the plan, the commands.

Imports no torch, so that it answers at once.
"""

import shlex
from collections.abc import Iterable
from typing import Any, Final

from job import __version__
from job.data.spec import FASHION_MNIST
from job.settings import Settings

# Of the quickstart's network; a test holds it against the model.
PARAMETERS: Final = 669_706
FLOAT_BYTES: Final = 4
IMAGE: Final = f"fashion-mnist-job:{__version__}"
# What k8s/train-job.yaml sets; a test holds them against it.
MANIFEST_SETTINGS: Final = {
    "recipe": "JOB_RECIPE=quickstart",
    "device": "JOB_DEVICE=cuda",
    "data_offline": "JOB_DATA_OFFLINE=true",
}
# A container has these at places of its own.
MOUNTED: Final = frozenset({"data_dir", "output_dir", "sweep"})
SWEEP_INSIDE: Final = "/sweep.toml"


def text(settings: Settings) -> str:
    """Three parts for people: settings, plan, commands."""
    parts = {"Settings": _settings(settings), "Plan": _plan(settings), "Run it": _run_it(settings)}
    return "\n\n".join("\n  ".join([title, *lines]) for title, lines in parts.items())


def _settings(settings: Settings) -> list[str]:
    origins = settings.origins
    return _aligned(
        (_variable(name), _written(value), origins[name])
        for name, value in settings.model_dump(mode="json").items()
    )


def _plan(settings: Settings) -> list[str]:
    saved = f"after each epoch and every {settings.checkpoint_every_seconds:g} s of training"
    return _aligned((*_plan_of_data(settings), *_plan_of_model(settings), ("saved", saved)))


def _plan_of_data(settings: Settings) -> list[tuple[str, str]]:
    if settings.dataset != "fashion-mnist":
        told = f"{settings.epochs} epochs, whose length is known when {settings.dataset} is read"
        return [("steps", told)]
    images = FASHION_MNIST.train_images.shape[0]
    steps = -(-images // settings.batch_size)
    return [
        ("steps", f"{settings.epochs * steps:,} = {settings.epochs} epochs × {steps:,}"),
        ("images", f"{settings.epochs * images:,}, at most {settings.batch_size:,} a step"),
        ("data", f"{_pixels():,} bytes of pixels, kept as uint8 on the device if resident"),
    ]


def _plan_of_model(settings: Settings) -> list[tuple[str, str]]:
    if (settings.model, settings.dataset) != ("mlp", "fashion-mnist"):
        return [("weights", f"known when {settings.model} is built for the data")]
    weights = PARAMETERS * FLOAT_BYTES
    kept = weights * _tensors_per_weight(settings)
    return [
        ("weights", f"{weights:,} bytes = {PARAMETERS:,} numbers"),
        ("checkpoint", f"{kept:,} bytes, {settings.keep_checkpoints} kept"),
    ]


def _run_it(settings: Settings) -> list[str]:
    chosen = _chosen(settings)
    here = "".join(f"{pair} " for pair in chosen.values())
    return _aligned(
        (
            ("here", f"{here}python -m job{_command(settings)}"),
            ("docker", _docker(settings, chosen)),
            ("kubernetes", _kubernetes(settings, chosen)),
            ("slurm", f"{here}sbatch {_script(settings)}"),
        )
    )


def _command(settings: Settings) -> str:
    """The command behind the job's name: without an index a sweep is all of its points."""
    return " sweep" if settings.sweep is not None and settings.sweep_index is None else ""


def _docker(settings: Settings, chosen: dict[str, str]) -> str:
    gpus = "" if settings.device == "cpu" else "--gpus all "
    # The image's own user could not write to a folder of whoever types this, and Docker would make
    # a missing one as root.
    run = f'mkdir -p output && docker run --rm {gpus}--user "$(id -u):0" -v "$PWD/output:/output"'
    options = "".join(f"-e {pair} " for name, pair in chosen.items() if name not in MOUNTED)
    command = _command(settings)
    whole = f" python -m job{command}" if command else ""
    return f"{run} {_sweep_file(settings)}{options}{IMAGE}{whole}"


def _sweep_file(settings: Settings) -> str:
    """The options that give a container the file of the sweep."""
    if settings.sweep is None:
        return ""
    folder = "" if settings.sweep.is_absolute() else '"$PWD"/'
    file = f"{folder}{shlex.quote(str(settings.sweep))}"
    return f"-v {file}:{SWEEP_INSIDE}:ro -e JOB_SWEEP={SWEEP_INSIDE} "


def _kubernetes(settings: Settings, chosen: dict[str, str]) -> str:
    """The manifest as it is, or with a ConfigMap of its settings and the chosen ones instead."""
    if settings.sweep is not None:
        return (
            "kubectl apply -f k8s/sweep-job.yaml  # write points, their number and settings there"
        )
    on_cpu = settings.device == "cpu"
    apply = f"kubectl apply {'-k k8s/overlays/cpu' if on_cpu else '-f k8s/train-job.yaml'}"
    inside = {name: pair for name, pair in chosen.items() if name not in MOUNTED}
    if not inside.keys() - ({"device"} if on_cpu else set()):
        return apply  # the overlay sets the device itself
    literals = " ".join(f"--from-literal {pair}" for pair in (MANIFEST_SETTINGS | inside).values())
    others = "-l 'app.kubernetes.io/component!=settings'"
    return f"kubectl create configmap fashion-mnist-settings {literals} && {apply} {others}"


def _script(settings: Settings) -> str:
    if _command(settings):
        return "slurm/sweep.sh  # with --array=0-8 for nine points"
    return "slurm/train.sh"


def _chosen(settings: Settings) -> dict[str, str]:
    """The assignments, ready for a shell, that give the settings which were set."""
    return {
        name: f"{_variable(name)}={shlex.quote(_written(value))}"
        for name, value in settings.model_dump(mode="json").items()
        if settings.origins[name] in ("environment", "flag") and value is not None
    }


def _tensors_per_weight(settings: Settings) -> int:
    if settings.optimizer == "adamw":
        return 3  # the weight and two moments
    return 2 if settings.momentum else 1


def _pixels() -> int:
    files = (FASHION_MNIST.train_images, FASHION_MNIST.test_images)
    return sum(count * height * width for count, height, width in (each.shape for each in files))


def _variable(name: str) -> str:
    return f"JOB_{name.upper()}"


def _written(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
