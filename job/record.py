"""The record of a run, as `metrics.json` holds it: pydantic models and nothing else.

Accuracies, precisions and recalls are fractions, times are seconds, sizes are bytes. Losses are
means over samples; the quickstart prints the mean over batches, which differs in the fourth digit
because its last batch is smaller.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

RECORD_FILE: Final = "metrics.json"
HISTORY_FILE: Final = "metrics.jsonl"


class _Record(BaseModel):
    # What JSON cannot hold could be read from an edited file, and never be written again.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SettingRecord(_Record):
    """A setting's value and where it came from."""

    value: bool | int | float | str | None
    origin: Literal["default", "recipe", "sweep", "environment", "flag"]


class DeviceRecord(_Record):
    """What the run trained on, and why."""

    type: Literal["cuda", "mps", "cpu"]
    name: str
    reason: str = Field(description="why this device was taken")
    gpus: list[dict[str, Any]] = Field(description="nvidia-smi's facts of each visible GPU")
    step: str = Field(description="implementation of the training step")
    threads: int = Field(description="CPU threads of the matrix products")
    ranks: int = Field(default=1, description="processes that shared every batch")
    nodes: int = Field(default=1, description="nodes that they ran on")


class DatasetRecord(_Record):
    """Which data the run has seen; digests are SHA-256 of the unpacked files."""

    name: str
    train_images: int
    test_images: int
    sha256: dict[str, str]
    shape: tuple[int, int, int] | None = Field(
        default=None, description="channels, height and width; None in records of old"
    )


class ModelRecord(_Record):
    """Which network was trained, and what it began with."""

    name: str = Field(description="as JOB_MODEL names it")
    weights: str | None = Field(description="as JOB_MODEL_WEIGHTS names them; None for random ones")
    weights_sha256: str | None = Field(description="of the file that they came in")


class EpochRecord(_Record):
    """One line of `metrics.jsonl`."""

    epoch: int = Field(description="counted from 1")
    step: int = Field(description="steps since the start of the run")
    learning_rate: float = Field(description="of the epoch's last step")
    train_loss: float
    train_seconds: float = Field(description="summed over the attempts that shared the epoch")
    images_per_second: float
    test_loss: float
    test_accuracy: float
    test_seconds: float


class ClassRecord(_Record):
    """How well one class is told from the others; a ratio without a denominator is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    images: int


class MistakeRecord(_Record):
    """An image of the test set that was taken for something else; classes by their number."""

    index: int = Field(ge=0, description="of the image, in the order of the test set")
    true: int = Field(ge=0)
    predicted: int = Field(ge=0)
    probability: float = Field(ge=0, le=1, description="softmax of the predicted class")


class EvaluationRecord(_Record):
    """The final weights against the whole test set."""

    images: int
    loss: float
    accuracy: float
    classes: list[ClassRecord]
    confusion: list[list[int]] = Field(description="row: true class, column: predicted class")
    confident_mistakes: list[MistakeRecord] | None = Field(
        default=None, description="the surest ones first; None in records of old"
    )


class TimingsRecord(_Record):
    """Seconds of each phase of the attempt that finished; training is summed over all attempts."""

    imports: float
    preflight: float
    data: float
    first_step: float = Field(description="from the start of the process to the first step's end")
    training: float
    evaluation: float
    artifacts: float
    total: float = Field(description="from the start of the process to the writing of this record")


class ArtifactRecord(_Record):
    """A file of the output folder, as it was read back."""

    bytes: int
    sha256: str


class AttemptRecord(_Record):
    """One line of `attempts.jsonl`: an attempt that says nothing of its end was killed, or runs.

    What a killed attempt could not say itself, the next one has entered.
    """

    attempt: int = Field(ge=1, lt=2**31, description="counted from 1")
    node: str
    started_at: str = Field(description="of the process; UTC, ISO 8601")
    found_step: int | None = Field(default=None, description="step that was durable at its start")
    resumed_from_step: int | None = None
    reached_step: int | None = Field(
        default=None, description="last step of the run that it did, of a killed one as last heard"
    )
    lost_steps: int | None = Field(default=None, description="steps that the next one does again")
    ended: str | None = Field(default=None, description="in words, None for running or killed")
    exit_code: int | None = None
    unfit_node: str | None = Field(
        default=None, description="that ended it, by its name in the scheduler"
    )
    step: int | None = Field(default=None, description="last step that is durable at its end")
    seconds: float | None = Field(default=None, description="from the start of the process on")
    seconds_known_by: Literal["itself", "heartbeat", "next start"] | None = Field(
        default=None, description="next start: of a killed one that left no heartbeat, at most that"
    )


class GoodputRecord(_Record):
    """How much of the time that all attempts took has become the result.

    Waiting between two attempts is no attempt's time.
    """

    productive_seconds: float = Field(description="training and evaluation of the history's epochs")
    elapsed_seconds: float = Field(description="of all attempts, each from its process's start on")
    goodput: float = Field(description="the first over the second")
    lost_steps: int = Field(description="that were done and had to be done again, as far as known")


class GpuSampleRecord(_Record):
    """What NVML said of the GPU at one moment, None for what it does not tell.

    In a long run a sample stands for several: means, and every reason of throttling among them.
    """

    seconds: float = Field(description="since the start of the process")
    utilisation: float | None = Field(description="share of time in which it was at work")
    memory_bytes: float | None = Field(description="used, by all processes")
    watts: float | None
    sm_clock: float | None = Field(description="MHz")
    memory_clock: float | None = Field(description="MHz")
    celsius: float | None
    throttling: list[str] = Field(description="what held the clocks down, in words")


class GpuUseRecord(_Record):
    """The GPU of rank 0 over the attempt that finished."""

    gpu: str = Field(description="its name, as NVML has it")
    samples: list[GpuSampleRecord]


class RunRecord(_Record):
    """All that a finished run leaves to be read by programs."""

    schema_version: Literal[1] = 1
    job_version: str
    finished_at: str = Field(description="UTC, ISO 8601")
    settings: dict[str, SettingRecord]
    versions: dict[str, str]
    device: DeviceRecord
    dataset: DatasetRecord
    model: ModelRecord | None = Field(default=None, description="None in records of old")
    parameters: int = Field(description="trainable numbers of the model")
    history: list[EpochRecord]
    evaluation: EvaluationRecord
    timings: TimingsRecord
    images_per_second: float = Field(description="training only, over the whole run")
    peak_memory_bytes: dict[Literal["host", "device"], int]
    artifacts: dict[str, ArtifactRecord]
    attempts: list[AttemptRecord]
    goodput: GoodputRecord | None = Field(default=None, description="None in records of old")
    gpu_use: GpuUseRecord | None = Field(
        default=None, description="None without a GPU, without NVML, and in records of old"
    )
