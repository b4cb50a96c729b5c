"""Reads the flags and the environment, and says of each fault what was seen and what is allowed."""

import difflib
import os
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin

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
    PredictSettings,
    PreflightSettings,
    Settings,
)
from job.settings.recipes import RECIPES

AnySettings = TypeVar("AnySettings", bound=EnvironmentSettings)

# Kubernetes gives it to the pods of an Indexed Job; it is no setting of ours.
FOREIGN_VARIABLES: Final = frozenset({"JOB_COMPLETION_INDEX"})


def load(kind: type[AnySettings], flags: list[str], program: str) -> AnySettings:
    """Settings from `flags` and the environment, with the origin of each value.

    Raises `UsageError` for a flag that does not exist, `SettingsError` with one line per fault.
    `--help` prints the help under the name `program` and raises `SystemExit(0)`.
    """
    given = _given_flags(kind, flags, program)
    faults = list(_unknown_variables())
    try:
        settings = kind(**given)
    except ValidationError as error:
        faults = [*_faults(kind, error, given), *faults]
    except LibraryError as error:
        faults = [_unreadable(error), *faults]
    except RecursionError:  # of json, in the one setting that is a list
        faults = [f"{_variable('pictures')}: allowed is a list in JSON, of paths", *faults]
    if faults:
        raise SettingsError("\n".join(faults), fix=f"{program} --help lists every setting")
    settings._origins.update(_origins(settings, given))  # noqa: SLF001  # the one who knows them
    return settings


def _given_flags(kind: type[EnvironmentSettings], flags: list[str], program: str) -> Any:
    try:
        source = CliSettingsSource[Any](kind, cli_prog_name=program, cli_parse_args=flags)
        return source()
    except LibraryError as error:
        seen = str(error).removeprefix("error parsing CLI: ")
        raise UsageError(seen, fix=f"{program} --help lists every flag") from error


def _unknown_variables() -> Iterator[str]:
    kinds = (PreflightSettings, PredictSettings)  # the first has all of `Settings`, too
    known = {_variable(name) for kind in kinds for name in kind.model_fields}
    for name in sorted(os.environ.keys() - known - FOREIGN_VARIABLES):
        if name.upper().startswith(ENVIRONMENT_PREFIX):  # pydantic-settings reads small letters
            nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)[0]
            yield f"{name}={os.environ[name]}: no such setting; the nearest is {nearest}"


def _unreadable(error: LibraryError) -> str:
    variable = _variable(str(error).split('"')[1])  # the library names the field in quotes
    return f"{variable}={os.environ.get(variable)}: allowed is a list in JSON"


def _faults(
    kind: type[EnvironmentSettings], error: ValidationError, given: dict[str, Any]
) -> list[str]:
    # A union reports each of its members; one line per field is enough.
    first_of_each = {fault["loc"][:1]: fault for fault in reversed(error.errors())}
    return [_fault(kind, fault, given) for fault in reversed(first_of_each.values())]


def _fault(kind: type[EnvironmentSettings], fault: ErrorDetails, given: dict[str, Any]) -> str:
    if not fault["loc"]:
        return fault["msg"].removeprefix("Value error, ")
    name = str(fault["loc"][0])
    written = _flag(name) if name in given else _variable(name)
    return f"{written}={fault['input']}: allowed is {describe_allowed(kind.model_fields[name])}"


def describe_allowed(field: FieldInfo) -> str:
    """The values that a field takes, in words."""
    return " or ".join(_type_in_words(field.annotation)) + "".join(
        words for constraint in field.metadata for words in _bounds_in_words(constraint)
    )


def _type_in_words(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [", ".join(map(str, get_args(annotation)))]
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


def _origins(settings: EnvironmentSettings, given: dict[str, Any]) -> dict[str, Origin]:
    recipe = RECIPES[settings.recipe] if isinstance(settings, Settings) else {}
    return {name: _origin(name, given, recipe) for name in type(settings).model_fields}


def _origin(name: str, given: dict[str, Any], recipe: dict[str, Any]) -> Origin:
    if name in given:
        return "flag"
    if os.environ.get(_variable(name)):
        return "environment"
    return "recipe" if name in recipe else "default"


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
