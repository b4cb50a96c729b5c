"""The points of a sweep from its TOML file: pure, so that each member of an array finds the same.

method = "grid"                      # every combination; the last setting changes fastest
[settings]
learning_rate = [0.001, 0.01, 0.1]
batch_size = [32, 64, 128]
epochs = 1                           # the same for all

method = "list"                      # one table for each point
[[points]]
learning_rate = 0.1

method = "random"                    # drawn one after another: a larger count adds points
seed = 0
count = 20
[settings]
learning_rate = { min = 1e-4, max = 1.0, scale = "log" }
optimizer = { choices = ["sgd", "adamw"] }
"""

import itertools
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic import model_validator as check

from job.errors import SettingsError
from job.reading import read_bounded

LIMIT_BYTES: Final = 2**20
# As many as an array of Slurm has where its site has not raised MaxArraySize.
MOST_POINTS: Final = 1000
LONGEST_NAME: Final = 80
# What a drawn number is rounded to, so that people can read it and type it.
DIGITS: Final = 4
# What may stand in the settings of a random sweep; in brackets, to be told from names.
RANGE, CHOICES, FIXED = "(range)", "(choices)", "(fixed)"
FIX: Final = "docs/sweeps.md has an example of each method"


def _plain(value: Any) -> Any:
    """Only what a variable could say; true is no number here, and a date no text."""
    if not isinstance(value, bool | int | float | str):
        raise ValueError("a number, a text or true/false is allowed")  # noqa: TRY004  # pydantic's
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("a number of at most 63 bits is allowed")
    return value


Value = Annotated[bool | int | float | str, BeforeValidator(_plain)]
Bound = Annotated[int | float, Field(ge=-1e300, le=1e300)]  # NaN is neither


@dataclass(frozen=True)
class Point:
    """One run of a sweep; `values` are written as its variables would be.

    `chosen` are those of them that the points have a choice of.
    """

    index: int
    values: dict[str, str]
    chosen: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its folder: the index, and what was chosen."""
        words = [f"{self.index:04}", *(f"{name}-{self.values[name]}" for name in self.chosen)]
        return re.sub(r"[^A-Za-z0-9.+-]+", "-", "-".join(words))[:LONGEST_NAME].rstrip("-.")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Range(_Model):
    min: Bound
    max: Bound
    scale: Literal["linear", "log"] = "linear"

    @check(mode="after")
    def _is_a_range(self) -> "_Range":
        if self.min > self.max:
            raise ValueError("min is at most max")
        if self.scale == "log" and self.min <= 0:
            raise ValueError("min is above 0 for a logarithmic scale")
        return self

    def draw(self, share: float) -> Value:
        """The value at `share` of the range, 0 to 1; of two integers an integer."""
        ends = (math.log(self.min), math.log(self.max)) if self.scale == "log" else self._ends
        place = ends[0] + share * (ends[1] - ends[0])
        value = math.exp(place) if self.scale == "log" else place
        if isinstance(self.min, int) and isinstance(self.max, int):
            return min(max(round(value), self.min), self.max)
        return min(max(float(f"{value:.{DIGITS}g}"), self.min), self.max)

    @property
    def _ends(self) -> tuple[float, float]:
        return float(self.min), float(self.max)


class _Choices(_Model):
    choices: list[Value] = Field(min_length=1)

    def draw(self, share: float) -> Value:
        """The choice at `share` of the list."""
        return self.choices[int(share * len(self.choices))]


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return FIXED
    return CHOICES if "choices" in value else RANGE


_Drawn = Annotated[
    Annotated[_Range, Tag(RANGE)]
    | Annotated[_Choices, Tag(CHOICES)]
    | Annotated[Value, Tag(FIXED)],
    Discriminator(_kind),
]


class _Grid(_Model):
    method: Literal["grid"]
    settings: dict[str, list[Value] | Value] = Field(min_length=1)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Those with a list."""
        return tuple(name for name, each in self.settings.items() if isinstance(each, list))

    def rows(self) -> list[dict[str, Value]]:
        """Every combination."""
        lists = [each if isinstance(each, list) else [each] for each in self.settings.values()]
        _require_count(math.prod(map(len, lists)))
        return [dict(zip(self.settings, row, strict=True)) for row in itertools.product(*lists)]


class _List(_Model):
    method: Literal["list"]
    points: list[dict[str, Value]]

    @property
    def chosen(self) -> tuple[str, ...]:
        """All that any point names."""
        return tuple(dict.fromkeys(name for point in self.points for name in point))

    def rows(self) -> list[dict[str, Value]]:
        """As they stand in the file."""
        _require_count(len(self.points))
        return self.points


class _Random(_Model):
    method: Literal["random"]
    seed: int = 0
    count: int
    settings: dict[str, _Drawn] = Field(min_length=1)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Those that are drawn."""
        drawn = (_Range, _Choices)
        return tuple(name for name, each in self.settings.items() if isinstance(each, drawn))

    def rows(self) -> list[dict[str, Value]]:
        """As many as are counted. Only `Random.random` draws the same in every Python."""
        _require_count(self.count)
        random = Random(self.seed)  # noqa: S311  # nobody has to be kept from guessing it
        return [
            {name: _drawn(each, random.random()) for name, each in self.settings.items()}
            for _ in range(self.count)
        ]


MODELS: Final[TypeAdapter[_Grid | _List | _Random]] = TypeAdapter(
    Annotated[_Grid | _List | _Random, Field(discriminator="method")]
)


def points(file: Path) -> tuple[Point, ...]:
    """The points in `file`, numbered from 0; the same file gives the same ones.

    Raises `SettingsError` for a file that cannot be read or says something else.
    """
    try:
        return parse(read_bounded(file, LIMIT_BYTES).decode())
    except OSError as error:
        raise _refusal(file, error.strerror or str(error)) from error
    except ValidationError as error:
        raise _refusal(file, _first(error)) from error
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, and of what is counted
        raise _refusal(file, str(error)) from error


def parse(text: str) -> tuple[Point, ...]:
    """The points of a file with this `text`; raises `ValueError`."""
    sweep = MODELS.validate_python(tomllib.loads(text))
    rows = [{name: _written(value) for name, value in row.items()} for row in sweep.rows()]
    return tuple(
        Point(index, row, tuple(name for name in sweep.chosen if name in row))
        for index, row in enumerate(rows)
    )


def _drawn(each: _Range | _Choices | Value, share: float) -> Value:
    return each.draw(share) if isinstance(each, _Range | _Choices) else each


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _require_count(count: int) -> None:
    if not 1 <= count <= MOST_POINTS:
        raise ValueError(f"{count} points, allowed are 1 to {MOST_POINTS}")


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    # Between the names stand the method and pydantic's words for the members of a union.
    names = [str(part) for part in fault["loc"][1:] if re.fullmatch(r"\w+", str(part))]
    return f"{'.'.join(names)}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _refusal(file: Path, seen: str) -> SettingsError:
    return SettingsError(f"cannot take the sweep {file}: {seen}", fix=FIX)
