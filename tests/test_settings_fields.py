"""Claims about `job.settings.fields`."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from job.settings import KINDS, PredictSettings, Settings
from job.settings.fields import TRAINING_FIELDS

# The names and closed lists of values that users' manifests and scripts hold.
CONTRACT: dict[str, tuple[str, ...]] = {
    "JOB_RECIPE": ("quickstart", "accurate"),
    "JOB_EPOCHS": (),
    "JOB_BATCH_SIZE": (),
    "JOB_LEARNING_RATE": (),
    "JOB_SEED": (),
    "JOB_DEVICE": ("auto", "cuda", "mps", "cpu"),
    "JOB_PRECISION": ("fp32", "tf32", "bf16"),
    "JOB_STEP": ("auto", "eager"),
    "JOB_PIPELINE": ("resident", "dataloader"),
    "JOB_DATA_DIR": (),
    "JOB_DATA_OFFLINE": (),
    "JOB_OUTPUT_DIR": (),
    "JOB_RESUME": ("auto", "never", "required"),
    "JOB_CHECKPOINT_EVERY_SECONDS": (),
    "JOB_KEEP_CHECKPOINTS": (),
    "JOB_MIN_ACCURACY": (),
    "JOB_PROCESSES_PER_NODE": (),
    "JOB_NODES": (),
    "JOB_MASTER_ADDRESS": (),
    "JOB_MASTER_PORT": (),
    "JOB_STOP_FILE": (),
    "JOB_LOG_FORMAT": ("auto", "console", "json"),
    "JOB_LOG_LEVEL": ("debug", "info", "warning", "error"),
    "JOB_PROGRESS": ("auto", "on", "off"),
}
NAN, INFINITY = float("nan"), float("inf")
# Of each field with bounds: values just inside, and values just outside or no number at all.
BOUNDS: dict[str, tuple[list[Any], list[Any]]] = {
    "epochs": ([1], [0, 1.5]),
    "batch_size": ([1, 60_000], [0, 60_001]),
    "learning_rate": ([1e-12, 100.0], [0.0, NAN, INFINITY]),
    "momentum": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "weight_decay": ([0.0, 5.0], [-0.1, NAN, INFINITY]),
    "label_smoothing": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "dropout": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "seed": ([0, 2**63 - 1], [-1, 2**63]),
    "checkpoint_every_seconds": ([1e-6, 1e9], [0.0, -1.0, NAN, INFINITY]),
    "keep_checkpoints": ([2, 100], [1, 0]),
    "lease_seconds": ([5, 3600], [4.99, 0, NAN, INFINITY]),
    "stall_seconds": ([0, 0.5, 86_400], [-1, NAN, INFINITY]),
    "max_attempts_without_progress": ([0, 100], [-1, 1.5]),
    "min_accuracy": ([0.0, 1.0, None], [-0.1, 1.1, NAN]),
    "processes_per_node": (["auto", 1, 8], [0, -1, "all"]),
    "nodes": ([1, 4096], [0, -1]),
    "master_port": ([1, 65_535, None], [0, 65_536]),
}
INSIDE = [(name, value) for name, (good, _) in BOUNDS.items() for value in good]
OUTSIDE = [(name, value) for name, (_, bad) in BOUNDS.items() for value in bad]


def _settings(**values: Any) -> Settings:
    return Settings(**values)


@pytest.mark.parametrize("variable", CONTRACT)
def test_contract_names_a_field(variable: str) -> None:
    """Each variable of the contract exists, with all the values it was promised."""
    field = Settings.model_fields[variable.removeprefix("JOB_").lower()]
    choices = CONTRACT[variable]

    assert set(choices) <= set(get_args(field.annotation))


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_is_described(kind: type[Settings]) -> None:
    """`--help` has something to say about each."""
    for name, field in kind.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(("name", "value"), INSIDE)
def test_value_at_a_bound_is_taken(name: str, value: object) -> None:
    """Bounds are no narrower than they have to be."""
    assert getattr(_settings(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_value_beyond_a_bound_is_refused(name: str, value: object) -> None:
    """What cannot be trained with does not get as far as training."""
    with pytest.raises(ValidationError):
        _settings(**{name: value})


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"nesterov": True}, "JOB_NESTEROV=true needs JOB_MOMENTUM above 0"),
        ({"one_hot_targets": True}, "JOB_ONE_HOT_TARGETS=true needs JOB_PIPELINE=dataloader"),
        ({"processes_per_node": 0}, "JOB_PROCESSES_PER_NODE=0: allowed is auto or an integer"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(values: dict[str, Any], fault: str) -> None:
    """The message names both variables."""
    with pytest.raises(ValidationError, match=fault):
        _settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"nesterov": True, "momentum": 0.9},
        {"nesterov": True, "optimizer": "adamw"},
        {"one_hot_targets": True, "pipeline": "dataloader"},
        {"one_hot_targets": False, "pipeline": "resident"},
        {"processes_per_node": 1},
    ],
)
def test_fields_that_agree_are_taken(values: dict[str, Any]) -> None:
    """No rule refuses more than it has to."""
    settings = _settings(**values)
    assert {name: getattr(settings, name) for name in values} == values


def test_settings_cannot_be_changed() -> None:
    """What was explained, logged and recorded is what runs."""
    with pytest.raises(ValidationError, match="frozen"):
        _settings().epochs = 3  # type: ignore[misc]  # that is the point


def test_unknown_field_is_refused() -> None:
    """A builder that misspells one hears of it."""
    with pytest.raises(ValidationError, match="epoch"):
        _settings(epoch=3)


def test_training_values_are_those_of_the_training_fields() -> None:
    """Each as it is set, in types that JSON keeps."""
    settings = _settings(epochs=3, dropout=0.25, horizontal_flip=True)
    values = settings.training_values()

    assert tuple(values) == TRAINING_FIELDS
    assert values == {name: getattr(settings, name) for name in TRAINING_FIELDS}
    assert {type(value) for value in values.values()} <= {bool, int, float, str, type(None)}


def test_where_and_how_it_runs_is_no_training_value() -> None:
    """A checkpoint resumes on another device, in another folder, with the other pipeline."""
    free = {"device", "output_dir", "data_dir", "pipeline", "step", "resume", "min_accuracy"}
    assert free.isdisjoint(TRAINING_FIELDS)


@pytest.mark.parametrize("values", [{}, {"pictures": [Path("a.png")], "test_image": 3}])
def test_prediction_wants_pictures_or_a_test_image(values: dict[str, Any]) -> None:
    """Neither and both are refused."""
    with pytest.raises(ValidationError, match="one of the two"):
        PredictSettings(**values)


@pytest.mark.parametrize("values", [{"pictures": [Path("a.png")]}, {"test_image": 0}])
def test_prediction_takes_either(values: dict[str, Any]) -> None:
    """The first test image has the number 0, which counts as given."""
    assert PredictSettings(**values).weights == Path("output/model.safetensors")


@pytest.mark.parametrize("index", [-1, 10_000])
def test_prediction_knows_the_size_of_the_test_set(index: int) -> None:
    """There are 10,000 test images, counted from 0."""
    with pytest.raises(ValidationError):
        PredictSettings(test_image=index)
