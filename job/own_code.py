"""A function that the user names as `package.module:function`: found, called, and its faults told.

It is code of whoever starts the job, run because a setting asks for it, and found where Python
finds modules: on `PYTHONPATH`, and in the working directory under `python -m job`.
"""

import importlib
from collections.abc import Callable
from typing import Any, Final

from job.errors import SettingsError

SEPARATOR: Final = ":"
# Whoever calls sys.exit() means the process, whose exit codes are the job's.
ENDINGS: Final = (Exception, SystemExit)
ALLOWED: Final = "package.module:function, the module on PYTHONPATH or in the working directory"


def is_own(name: str) -> bool:
    """Whether `name` means a function of the user's."""
    return SEPARATOR in name


def call(variable: str, name: str, **arguments: Any) -> Any:
    """What the function called `name` returns.

    Raises `SettingsError` that names the `variable`, with the cause, for a function that cannot be
    found or that raises.
    """
    function = _find(variable, name)
    try:
        return function(**arguments)
    except ENDINGS as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise refusal(variable, name, f"called with {given}, it raises {_told(error)}") from error


def refusal(variable: str, name: str, cause: str, allowed: str = ALLOWED) -> SettingsError:
    """The error that says why the function called `name` cannot be used."""
    return SettingsError(
        f"{variable}={name}: {cause}",
        allowed=allowed,
        fix="mend the function, or see docs/bring-your-own.md for one that works",
    )


def _find(variable: str, name: str) -> Callable[..., Any]:
    module, _, path = name.partition(SEPARATOR)
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except ENDINGS as error:
        # The module is a program of its own, and may fail in any way while it is imported.
        raise refusal(variable, name, f"cannot be imported: {_told(error)}") from error
    if not callable(found):
        raise refusal(variable, name, f"is no function but {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
