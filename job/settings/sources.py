"""Reads the flags and the environment, and says of each fault what was seen and what is allowed."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import CliSettingsSource
from pydantic_settings import SettingsError as LibraryError

from job.errors import SettingsError, UsageError
from job.settings.fields import (
    ENVIRONMENT_PREFIX,
    EnvironmentSettings,
    Origin,
    Settings,
)
from job.settings.others import (
    CompareSettings,
    PredictSettings,
    PreflightSettings,
    ReportSettings,
    SweepSettings,
)
from job.settings.recipes import RECIPES

KINDS: Final[tuple[type[EnvironmentSettings], ...]] = (
    Settings,
    SweepSettings,
    PreflightSettings,
    PredictSettings,
    ReportSettings,
    CompareSettings,
)
AnySettings = TypeVar("AnySettings", bound=EnvironmentSettings)

# Kubernetes gives it to the pods of an Indexed Job; it is no setting of ours.
FOREIGN_VARIABLES: Final = frozenset({"JOB_COMPLETION_INDEX"})
# What a point cannot choose: where it is, how the command speaks, what the scheduler has given.
NOT_SWEPT: Final = frozenset({"sweep", "sweep_index", "output_dir", "progress", "nodes"})
SWEPT: Final = tuple(name for name in Settings.model_fields if name not in NOT_SWEPT)


def load(kind: type[AnySettings], flags: list[str], program: str) -> AnySettings:
    """Settings from `flags` and the environment, with the origin of each value.

    Raises `UsageError` for a flag that does not exist, `SettingsError` with one line per fault.
    `--help` prints the help under the name `program` and raises `SystemExit(0)`.
    """
    return _load(kind, _given_flags(kind, flags, program), {}, program)


def load_points(
    flags: list[str], program: str, points: Sequence[Mapping[str, str]]
) -> list[Settings]:
    """Settings of each point of a sweep: the values that it brings, written as in a variable.

    They go before the recipe. Raises as `load` does, and `SettingsError` for a value that a flag or
    the environment sets, too, since all points would be alike.
    """
    given = _given_flags(Settings, flags, program)
    return [_point(given, index, point, program) for index, point in enumerate(points)]


def _point(given: Any, index: int, swept: Mapping[str, str], program: str) -> Settings:
    if faults := [fault for name in swept for fault in _swept_faults(name, given)]:
        raise SettingsError(f"point {index}: {'; '.join(faults)}", fix="mend the file of the sweep")
    try:
        return _load(Settings, given, swept, program)
    except SettingsError as error:
        raise SettingsError(f"point {index}: {error.seen}", fix=error.fix) from error


def _swept_faults(name: str, given: Any) -> Iterator[str]:
    if name not in SWEPT:
        nearest = difflib.get_close_matches(name, SWEPT, n=1, cutoff=0)[0]
        yield f"{name}: nothing that can be swept; the nearest is {nearest}"
    elif name in given or os.environ.get(_variable(name)):
        written = _flag(name) if name in given else _variable(name)
        yield f"{name} is swept and {written} sets it, too: all points would be alike"


def _load(
    kind: type[AnySettings], given: dict[str, Any], swept: Mapping[str, str], program: str
) -> AnySettings:
    faults = list(_unknown_variables())
    try:
        settings = kind(**{**swept, **given})
    except ValidationError as error:
        faults = [*_faults(kind, error, given, swept), *faults]
    except LibraryError as error:
        faults = [_unreadable(error), *faults]
    except RecursionError:  # of json, in the settings that are lists
        faults = [f"{_lists(kind)}: allowed is a list in JSON, of paths", *faults]
    if faults:
        raise SettingsError("\n".join(faults), fix=f"{program} --help lists every setting")
    origins = _origins(settings, given, swept)
    settings._origins.update(origins)  # noqa: SLF001  # the one who knows them
    return settings


def _given_flags(kind: type[EnvironmentSettings], flags: list[str], program: str) -> Any:
    try:
        source = CliSettingsSource[Any](kind, cli_prog_name=program, cli_parse_args=flags)
        return source()
    except LibraryError as error:
        seen = str(error).removeprefix("error parsing CLI: ")
        raise UsageError(seen, fix=f"{program} --help lists every flag") from error


def _unknown_variables() -> Iterator[str]:
    known = {_variable(name) for kind in KINDS for name in kind.model_fields}
    for name in sorted(os.environ.keys() - known - FOREIGN_VARIABLES):
        if name.upper().startswith(ENVIRONMENT_PREFIX):  # pydantic-settings reads small letters
            nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)[0]
            yield f"{name}={os.environ[name]}: no such setting; the nearest is {nearest}"


def _unreadable(error: LibraryError) -> str:
    variable = _variable(str(error).split('"')[1])  # the library names the field in quotes
    return f"{variable}={os.environ.get(variable)}: allowed is a list in JSON"


def _faults(
    kind: type[EnvironmentSettings],
    error: ValidationError,
    given: dict[str, Any],
    swept: Mapping[str, str],
) -> list[str]:
    # A union reports each of its members; one line per field is enough.
    first_of_each = {fault["loc"][:1]: fault for fault in reversed(error.errors())}
    return [_fault(kind, fault, given, swept) for fault in reversed(first_of_each.values())]


def _fault(
    kind: type[EnvironmentSettings],
    fault: ErrorDetails,
    given: dict[str, Any],
    swept: Mapping[str, str],
) -> str:
    if not fault["loc"]:
        return fault["msg"].removeprefix("Value error, ")
    name = str(fault["loc"][0])
    written = _flag(name) if name in given else name if name in swept else _variable(name)
    return f"{written}={fault['input']}: allowed is {describe_allowed(kind.model_fields[name])}"


def describe_allowed(field: FieldInfo) -> str:
    """The values that a field takes, in words."""
    return " or ".join(_type_in_words(field.annotation)) + "".join(
        words for constraint in field.metadata for words in _bounds_in_words(constraint)
    )


def _type_in_words(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [", ".join(map(str, get_args(annotation)))]
    if get_origin(annotation) is Annotated:
        return [field.description for field in annotation.__metadata__]
    if members := get_args(annotation):
        return [words for member in members for words in _type_in_words(member)]
    names = {bool: ["true or false"], int: ["an integer"], float: ["a number"], str: ["a name"]}
    return names.get(annotation, ["a path"]) if annotation is not type(None) else []


def _bounds_in_words(constraint: object) -> Iterator[str]:
    signs = {
        annotated_types.Ge: ("ge", "at least"),
        annotated_types.Gt: ("gt", "above"),
        annotated_types.Le: ("le", "at most"),
        annotated_types.Lt: ("lt", "below"),
    }
    if (sign := signs.get(cast("type[Any]", type(constraint)))) is not None:
        yield f" {sign[1]} {getattr(constraint, sign[0])}"


def _origins(
    settings: EnvironmentSettings, given: dict[str, Any], swept: Mapping[str, str]
) -> dict[str, Origin]:
    recipe = RECIPES[settings.recipe] if isinstance(settings, Settings) else {}
    return {name: _origin(name, given, swept, recipe) for name in type(settings).model_fields}


def _origin(
    name: str, given: dict[str, Any], swept: Mapping[str, str], recipe: dict[str, Any]
) -> Origin:
    if name in given:
        return "flag"
    if os.environ.get(_variable(name)):
        return "environment"
    if name in swept:
        return "sweep"
    return "recipe" if name in recipe else "default"


def _lists(kind: type[EnvironmentSettings]) -> str:
    return _variable("runs" if kind is CompareSettings else "pictures")


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
