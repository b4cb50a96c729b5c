"""Claims about `job.settings.sources`."""

from pathlib import Path
from typing import Any

import pytest

from job.errors import SettingsError, UsageError
from job.settings import (
    KINDS,
    CompareSettings,
    PredictSettings,
    PreflightSettings,
    Settings,
    load,
    load_points,
)
from job.settings.sources import describe_allowed

# Of each setting a value that is no default, as a user writes it.
WRITTEN = {
    "data_dir": "some folder",
    "data_offline": "true",
    "log_format": "json",
    "log_level": "debug",
    "recipe": "accurate",
    "model": "resnet18",
    "model_weights": "IMAGENET1K_V1",
    "dataset": "mnist",
    "image_size": "64",
    "epochs": "3",
    "batch_size": "128",
    "optimizer": "adamw",
    "learning_rate": "0.25",
    "momentum": "0.5",
    "nesterov": "true",
    "weight_decay": "0.125",
    "schedule": "one-cycle",
    "label_smoothing": "0.0625",
    "dropout": "0.75",
    "horizontal_flip": "true",
    "seed": "7",
    "device": "cpu",
    "precision": "bf16",
    "step": "eager",
    "pipeline": "dataloader",
    "one_hot_targets": "true",
    "output_dir": "elsewhere",
    "sweep": "some sweep.toml",
    "sweep_index": "4",
    "resume": "never",
    "checkpoint_every_seconds": "1.5",
    "keep_checkpoints": "5",
    "lease_seconds": "7.5",
    "stall_seconds": "60.5",
    "max_attempts_without_progress": "9",
    "heartbeat_file": "beat here",
    "min_accuracy": "0.5",
    "processes_per_node": "1",
    "nodes": "2",
    "master_address": "train-0",
    "master_port": "30000",
    "stop_file": "stop here",
    "progress": "off",
    "tensorboard": "true",
}
COMPANIONS = {
    "image_size": {"model": "resnet18"},
    "nesterov": {"momentum": "0.5"},
    "one_hot_targets": {"pipeline": "dataloader"},
    "sweep_index": {"sweep": "some sweep.toml"},
}
POSITIONAL = ("pictures", "folder", "runs")
NOTHING: dict[str, str] = {}


def _variable(name: str) -> str:
    return f"JOB_{name.upper()}"


def _flags(name: str, written: str) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    return [flag] if written == "true" else [flag, written]


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _faults(*flags: str, kind: Any = Settings) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(kind, list(flags), "job")
    assert caught.value.exit_code == 78
    assert "--help" in caught.value.fix
    return caught.value.seen.split("\n")


def test_every_setting_is_tried() -> None:
    """The list of this file has each field, with a value that is not its default."""
    assert list(WRITTEN) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert _as_written(field.default) != WRITTEN[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_setting_can_be_set_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`JOB_` and the name in capitals."""
    for each, written in (COMPANIONS.get(name, NOTHING) | {name: WRITTEN[name]}).items():
        monkeypatch.setenv(_variable(each), written)
    settings = load(Settings, [], "job")

    assert _as_written(getattr(settings, name)) == WRITTEN[name]
    assert settings.origins[name] == "environment"


@pytest.mark.parametrize("name", WRITTEN)
def test_setting_can_be_set_by_its_flag(name: str) -> None:
    """The name with dashes; a bool is switched on by the flag alone."""
    given = COMPANIONS.get(name, NOTHING) | {name: WRITTEN[name]}
    flags = [part for each, written in given.items() for part in _flags(each, written)]
    settings = load(Settings, flags, "job")

    assert _as_written(getattr(settings, name)) == WRITTEN[name]
    assert settings.origins[name] == "flag"


@pytest.mark.parametrize("name", [name for name in WRITTEN if WRITTEN[name] == "true"])
def test_bool_can_be_switched_off_by_a_flag(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`--no-` beats a variable that says true."""
    monkeypatch.setenv(_variable(name), "true")
    settings = load(Settings, [f"--no-{name.replace('_', '-')}"], "job")

    assert getattr(settings, name) is False
    assert settings.origins[name] == "flag"


def test_flag_beats_environment_beats_recipe_beats_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each value says which of them it came from."""
    monkeypatch.setenv("JOB_RECIPE", "accurate")
    monkeypatch.setenv("JOB_EPOCHS", "3")
    monkeypatch.setenv("JOB_BATCH_SIZE", "32")
    settings = load(Settings, ["--epochs", "2"], "job")

    expected = {
        "epochs": (2, "flag"),
        "batch_size": (32, "environment"),
        "recipe": ("accurate", "environment"),
        "optimizer": ("adamw", "recipe"),
        "seed": (0, "default"),
    }
    origins = settings.origins
    assert {name: (getattr(settings, name), origins[name]) for name in expected} == expected
    assert origins.keys() == Settings.model_fields.keys()


def test_recipe_of_a_flag_beats_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe itself is a setting like any other."""
    monkeypatch.setenv("JOB_RECIPE", "accurate")
    settings = load(Settings, ["--recipe", "quickstart"], "job")

    assert (settings.epochs, settings.origins["epochs"]) == (10, "recipe")


def test_value_equal_to_the_default_has_its_own_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets what is set already has set it."""
    monkeypatch.setenv("JOB_SEED", "0")
    assert load(Settings, [], "job").origins["seed"] == "environment"


def test_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest may leave a variable empty, a script a flag."""
    monkeypatch.setenv("JOB_EPOCHS", "")
    monkeypatch.setenv("JOB_STOP_FILE", "")
    settings = load(Settings, ["--batch-size", ""], "job")

    assert (settings.epochs, settings.batch_size, settings.stop_file) == (10, 64, None)
    assert settings.origins["epochs"] == settings.origins["batch_size"] == "recipe"
    assert settings.origins["stop_file"] == "default"


def test_last_of_equal_flags_counts() -> None:
    """A script may append to the flags that it was given."""
    assert load(Settings, ["--epochs", "2", "--epochs", "3"], "job").epochs == 3


def test_no_file_is_read(tmp_path: Path) -> None:
    """A `.env` in the folder where the job starts is none of its business."""
    (tmp_path / ".env").write_text("JOB_EPOCHS=3\n")
    assert load(Settings, [], "job").epochs == 10


def test_each_fault_is_one_line_in_the_words_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables by their names, flags by theirs; what was seen, and what is allowed."""
    monkeypatch.setenv("JOB_EPOCHS", "many")
    monkeypatch.setenv("JOB_DEVICE", "gpu")
    monkeypatch.setenv("JOB_PROCESSES_PER_NODE", "all")
    monkeypatch.setenv("JOB_NESTEROV", "maybe")
    monkeypatch.setenv("JOB_STOP_FLIE", "x")
    monkeypatch.setenv("JOB_MOMENTUM", "3")

    faults = _faults("--momentum", "-1", "--min-accuracy", "90", "--recipe", "best")
    assert sorted(faults) == [
        "--min-accuracy=90: allowed is a number at least 0 at most 1",
        "--momentum=-1: allowed is a number at least 0 below 1",
        "--recipe=best: allowed is quickstart, accurate",
        "JOB_DEVICE=gpu: allowed is auto, cuda, mps, cpu",
        "JOB_EPOCHS=many: allowed is an integer at least 1",
        "JOB_NESTEROV=maybe: allowed is true or false",
        "JOB_PROCESSES_PER_NODE=all: allowed is auto or an integer",
        "JOB_STOP_FLIE=x: no such setting; the nearest is JOB_STOP_FILE",
    ]


def test_contradiction_is_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the words of the rule and nothing of the library's."""
    monkeypatch.setenv("JOB_NESTEROV", "true")
    assert _faults() == ["JOB_NESTEROV=true needs JOB_MOMENTUM above 0"]


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [
        ("JOB_EPOCH", "JOB_EPOCHS"),
        ("JOB_LEARNINGRATE", "JOB_LEARNING_RATE"),
        ("JOB_OUTPUT", "JOB_OUTPUT_DIR"),
        ("JOB_WEIGHT", "JOB_WEIGHTS"),
    ],
)
def test_misspelt_variable_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, nearest: str
) -> None:
    """It is an error, because the value that someone wanted would be lost."""
    monkeypatch.setenv(misspelt, "3")
    assert _faults() == [f"{misspelt}=3: no such setting; the nearest is {nearest}"]


def test_variable_in_small_letters_is_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither sets anything under a wrong origin nor is overlooked."""
    monkeypatch.setenv("job_epochs", "3")
    assert _faults() == ["job_epochs=3: no such setting; the nearest is JOB_EPOCHS"]


def test_variable_of_kubernetes_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of an Indexed Job have it, and it is no setting."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert load(Settings, [], "job").origins.keys() == Settings.model_fields.keys()


def test_variables_of_one_command_do_not_disturb_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a run serves `predict`, too, and the other way round."""
    monkeypatch.setenv("JOB_EPOCHS", "3")
    monkeypatch.setenv("JOB_WEIGHTS", "model.pth")
    predict = load(PredictSettings, ["--test-image", "3"], "job")

    assert load(Settings, [], "job").epochs == 3
    assert predict.weights == Path("model.pth")
    assert predict.origins["weights"] == "environment"
    assert predict.origins["test_image"] == "flag"
    assert predict.origins["pictures"] == "default"


def test_variables_of_reports_disturb_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment serves `preflight` and the run after it, whose record does not have them."""
    monkeypatch.setenv("JOB_JUNIT", "preflight.xml")
    monkeypatch.setenv("JOB_CTRF", "preflight.json")
    preflight = load(PreflightSettings, ["--ctrf", "other.json"], "job")

    assert (preflight.junit, preflight.ctrf) == (Path("preflight.xml"), Path("other.json"))
    assert (preflight.origins["junit"], preflight.origins["ctrf"]) == ("environment", "flag")
    assert "junit" not in load(Settings, [], "job").origins


def test_two_reports_in_one_file_are_refused() -> None:
    """The second would replace the first."""
    (fault,) = _faults("--junit", "report", "--ctrf", "report", kind=PreflightSettings)
    assert fault == "JOB_JUNIT and JOB_CTRF are both report: give each its file"


def test_pictures_are_what_is_no_flag() -> None:
    """As a shell's `*.png` gives them."""
    pictures = load(PredictSettings, ["a.png", "b.png"], "job").pictures
    assert pictures == [Path("a.png"), Path("b.png")]


def test_variable_that_should_be_json_is_a_fault_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in the environment that cannot be read is named, and no bug."""
    monkeypatch.setenv("JOB_PICTURES", "a.png")
    (fault,) = _faults("--test-image", "3", kind=PredictSettings)
    assert "JOB_PICTURES" in fault


@pytest.mark.parametrize(
    "flags",
    [
        ["--epoch", "3"],
        ["--learning_rate", "3"],
        ["--rate", "3"],
        ["extra"],
        ["--epochs"],
        ["--data-offline=maybe"],
        ["--weights", "x"],
    ],
)
def test_what_is_no_flag_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither abbreviations nor other spellings are guessed at; the message is one, and ours."""
    with pytest.raises(UsageError) as caught:
        load(Settings, flags, "some program")

    assert caught.value.exit_code == 64
    assert flags[0].split("=")[0] in caught.value.seen
    assert caught.value.fix == "some program --help lists every flag"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_help_lists_every_setting(kind: type[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """Each flag with its meaning and default, under the name of the program, and exit code 0."""
    with pytest.raises(SystemExit) as caught:
        load(kind, ["--help"], "some program")

    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("usage: some program ")
    assert ",None}" not in shown
    for name, field in kind.model_fields.items():
        words = name if name in POSITIONAL else f"--{name.replace('_', '-')}"
        assert f" {words} " in shown.replace(",", " ")
        assert field.description is not None
        assert f"{field.description} (default: {field.default})" in shown.replace("- ", "-")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_allowed_can_be_said_of_each_setting(kind: type[Settings]) -> None:
    """No type and no bound is left without words."""
    for field in kind.model_fields.values():
        assert describe_allowed(field)
    assert describe_allowed(Settings.model_fields["stop_file"]) == "a path"
    assert describe_allowed(Settings.model_fields["dropout"]) == "a number at least 0 below 1"


def _swept(*points: dict[str, str], flags: tuple[str, ...] = ()) -> list[Settings]:
    return load_points([*flags], "job", points)


def test_swept_value_beats_the_recipe_and_says_so() -> None:
    """It stands where a variable would, for each point its own."""
    points = _swept({"learning_rate": "0.5"}, {"learning_rate": "0.25", "recipe": "accurate"})

    assert [each.learning_rate for each in points] == [0.5, 0.25]
    assert [each.epochs for each in points] == [10, 40]
    assert points[1].origins["learning_rate"] == points[1].origins["recipe"] == "sweep"
    assert points[0].origins["recipe"] == "default"


@pytest.mark.parametrize("value", ["0.5", "0.001"])
def test_swept_value_that_is_set_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """All points would be alike, whether by a flag or by a variable."""
    with pytest.raises(SettingsError, match="--learning-rate sets it, too") as caught:
        _swept({"learning_rate": "0.5"}, flags=("--learning-rate", value))
    assert caught.value.exit_code == 78

    monkeypatch.setenv("JOB_LEARNING_RATE", value)
    with pytest.raises(SettingsError, match="JOB_LEARNING_RATE sets it, too"):
        _swept({"learning_rate": "0.5"})


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"learning_rat": "1"}, "point 1: learning_rat: nothing .* the nearest is learning_rate"),
        ({"output_dir": "x"}, "point 1: output_dir: nothing that can be swept"),
        ({"epochs": "0"}, "point 1: epochs=0: allowed is an integer at least 1"),
        ({"epochs": "true"}, "point 1: epochs=true: allowed is an integer"),
        ({"nesterov": "true"}, "point 1: JOB_NESTEROV=true needs JOB_MOMENTUM above 0"),
    ],
)
def test_point_that_is_not_allowed_is_named(point: dict[str, str], told: str) -> None:
    """By its number and in the words of the settings, whichever point it is."""
    with pytest.raises(SettingsError, match=told):
        _swept({"epochs": "1"}, point)


def test_list_that_is_nested_without_end_is_a_fault_like_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is no list in JSON is named, and no bug."""
    monkeypatch.setenv("JOB_RUNS", "[" * 100_000)
    (fault,) = _faults(kind=CompareSettings)
    assert "JOB_RUNS" in fault
