"""Every setting with its type, bounds, unit and default: the one list of what can be set.

A field `learning_rate` is the variable `JOB_LEARNING_RATE` and the flag `--learning-rate`.
"""

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from job.logs import LogFormat, LogLevel
from job.settings.names import DatasetName, ModelName
from job.settings.recipes import RECIPES, Recipe

Origin = Literal["default", "recipe", "sweep", "environment", "flag"]

ENVIRONMENT_PREFIX: Final = "JOB_"
# What the weights depend on: a checkpoint resumes only under the same values of these.
TRAINING_FIELDS: Final = (
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "schedule",
    "label_smoothing",
    "dropout",
    "horizontal_flip",
    "precision",
    "seed",
    "model",
    "model_weights",
    "dataset",
    "image_size",
)


class RecipeSource(PydanticBaseSettingsSource):
    """The recipe's values, for the fields that neither a flag nor the environment has set."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Unused: `__call__` answers for all fields at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Read the recipe's name from the sources that go before this one."""
        recipe = self.current_state.get("recipe", "quickstart")
        # An unknown name is reported by the validation of `recipe` itself.
        return dict(RECIPES.get(recipe, RECIPES["quickstart"]))


def require_utf8(value: Any) -> Any:
    """Return `value`; raise `ValueError` for a path or a text that is no UTF-8."""
    if isinstance(value, Path | str):
        str(value).encode()  # another name would make metrics.json unreadable, or cannot be told
    return value


class EnvironmentSettings(BaseSettings):
    """What all commands are told."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )
    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    data_dir: Path = Field(
        Path("data"), description="folder with the dataset, flat or in torchvision's layout"
    )
    data_offline: bool = Field(False, description="never fetch the dataset from the network")
    log_format: LogFormat = Field(
        "auto", description="console for people, json for collectors; auto asks the terminal"
    )
    log_level: LogLevel = Field("info", description="the least severe event that is logged")

    @property
    def origins(self) -> dict[str, Origin]:
        """Where the value of each field came from."""
        return dict(self._origins)


class Settings(EnvironmentSettings):
    """What `train` and `explain` are told, and `preflight`, too."""

    recipe: Recipe = Field("quickstart", description="named defaults of the hyperparameters")
    model: ModelName = Field("mlp", description="network: the quickstart's, another, or one's own")
    model_weights: str | None = Field(
        None, description="where it starts: torchvision's name of weights, or a file of them"
    )
    dataset: DatasetName = Field("fashion-mnist", description="what is learnt; one's own, too")
    image_size: int | None = Field(
        None, ge=8, le=1024, description="pixels a side that the network sees; unset is its own"
    )
    epochs: int = Field(10, ge=1, description="passes over the training set")
    batch_size: int = Field(64, ge=1, le=60_000, description="images per step, over all processes")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="update rule")
    learning_rate: float = Field(
        1e-3, gt=0, allow_inf_nan=False, description="step size; the peak of a one-cycle schedule"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last update kept, sgd only")
    nesterov: bool = Field(False, description="look ahead with the momentum, sgd only")
    weight_decay: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="pull of the weights towards zero"
    )
    schedule: Literal["constant", "one-cycle"] = Field(
        "constant", description="course of the learning rate over the run"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target spread over all classes"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of hidden units silenced in a step, mlp only"
    )
    horizontal_flip: bool = Field(
        False, description="mirror half of the training images, others in each epoch"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of the weights, the order and the dropout")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="where to train; auto takes the first that works, the others insist"
    )
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32", description="arithmetic of the matrix products; tf32 needs cuda"
    )
    step: Literal["auto", "eager", "fused", "graph"] = Field(
        "auto", description="how a step is computed; auto is the fastest proven on such a device"
    )
    pipeline: Literal["resident", "dataloader"] = Field(
        "resident", description="pixels kept on the device, or the quickstart's DataLoader"
    )
    one_hot_targets: bool = Field(
        False, description="the quickstart's one-hot target transform, dataloader only"
    )
    output_dir: Path = Field(Path("output"), description="folder that takes the results")
    sweep: Path | None = Field(
        None, description="TOML file of a sweep: each point trains into a folder of its own"
    )
    sweep_index: int | None = Field(
        None, ge=0, description="point of the sweep; else Slurm's or Kubernetes' index of the array"
    )
    resume: Literal["auto", "never", "required"] = Field(
        "auto", description="go on from the newest checkpoint, start anew, or insist on one"
    )
    checkpoint_every_seconds: float = Field(
        30.0,
        gt=0,
        allow_inf_nan=False,
        description="longest time of training, in seconds, that a crash can cost",
    )
    keep_checkpoints: int = Field(
        2, ge=2, description="newest checkpoints kept; the second is there if the first is torn"
    )
    lease_seconds: float = Field(
        30.0,
        ge=5,
        allow_inf_nan=False,
        description="silence of another job on the output folder, in seconds, that ends its claim",
    )
    stall_seconds: float = Field(
        300.0,
        ge=0,
        allow_inf_nan=False,
        description="longest time without progress, in seconds; 0 waits for ever",
    )
    max_attempts_without_progress: int = Field(
        3, ge=0, description="attempts in a row that may leave nothing durable; 0 for any number"
    )
    heartbeat_file: Path | None = Field(
        None, description="one more file for the heartbeat, of the first process of each node"
    )
    min_accuracy: float | None = Field(
        None, ge=0, le=1, description="quality gate: least test accuracy, as a fraction"
    )
    processes_per_node: Literal["auto"] | int = Field(
        "auto", description="training processes on this node; auto is one for each visible GPU"
    )
    nodes: int = Field(
        1, ge=1, description="nodes of the run; a pod of an Indexed Job is one by its index"
    )
    master_address: str | None = Field(
        None, description="host of rank 0, where nothing else says it"
    )
    master_port: int | None = Field(
        None, ge=1, le=65_535, description="TCP port of rank 0; 29500, or one by Slurm's job number"
    )
    stop_file: Path | None = Field(
        None, description="a file whose appearance asks for a stop, like SIGTERM"
    )
    progress: Literal["auto", "on", "off"] = Field(
        "auto", description="progress bar; auto draws it on a terminal"
    )
    tensorboard: bool = Field(
        False, description="event files for TensorBoard, below the output folder"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before the environment before the recipe; no file is ever read."""
        return init_settings, env_settings, RecipeSource(settings_cls)

    _can_be_written_down = field_validator("*")(require_utf8)

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if self.nesterov and self.optimizer == "sgd" and self.momentum == 0:
            raise ValueError("JOB_NESTEROV=true needs JOB_MOMENTUM above 0")
        if self.one_hot_targets and self.pipeline != "dataloader":
            raise ValueError("JOB_ONE_HOT_TARGETS=true needs JOB_PIPELINE=dataloader")
        if self.image_size and self.model == "mlp" and self.dataset != "image-folder":
            raise ValueError("JOB_IMAGE_SIZE needs JOB_DATASET=image-folder or another JOB_MODEL")
        if self.processes_per_node != "auto" and self.processes_per_node < 1:
            raise ValueError(
                f"JOB_PROCESSES_PER_NODE={self.processes_per_node}: allowed is auto or an integer "
                "at least 1"
            )
        if self.sweep_index is not None and self.sweep is None:
            raise ValueError("JOB_SWEEP_INDEX needs JOB_SWEEP, the file that has the points")
        return self

    def at_point(self, index: int, output_dir: Path) -> Self:
        """The same for the point `index` of the sweep, with a folder of its own."""
        point = self.model_copy(update={"sweep_index": index, "output_dir": output_dir})
        point._origins = self._origins | {"output_dir": "sweep"}  # noqa: SLF001  # its own kind
        if self.sweep_index is None:  # the scheduler has said it
            point._origins["sweep_index"] = "environment"  # noqa: SLF001
        return point

    def training_values(self) -> dict[str, Any]:
        """The values that the weights depend on, as JSON can hold them."""
        return {name: getattr(self, name) for name in TRAINING_FIELDS}
