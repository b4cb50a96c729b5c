"""Claims about `job.own_code`: what the user names is found and called, or the reason is told."""

from pathlib import Path

import pytest

from job import own_code
from job.errors import ExitCode, SettingsError

MODULE = """
constant = 5

class Holder:
    @staticmethod
    def doubled(number):
        return 2 * number

def failing(number):
    raise ZeroDivisionError("on purpose")

def leaving(number):
    raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_parts.py").write_text(MODULE)
    (tmp_path / "leaving_parts.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "broken_parts.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"), [("mlp", False), ("resnet18", False), ("a.b:c", True), ("a:c.d", True)]
)
def test_colon_makes_a_name_ones_own(name: str, *, expected: bool) -> None:
    """Torchvision's models and the job's datasets have none."""
    assert own_code.is_own(name) is expected


def test_function_is_called_with_what_it_is_given() -> None:
    """Also one that lies within a class."""
    assert own_code.call("JOB_MODEL", "own_parts:Holder.doubled", number=21) == 42


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("nowhere_at_all:make", "cannot be imported: ModuleNotFoundError"),
        ("broken_parts:make", "no_such_module_anywhere"),
        ("own_parts:none", "AttributeError"),
        ("own_parts:constant", "is no function but int"),
        ("own_parts:failing", "called with number=21, it raises ZeroDivisionError: on purpose"),
        ("own_parts:leaving", "called with number=21, it raises SystemExit: 3"),
        ("leaving_parts:make", "cannot be imported: SystemExit: 3"),
    ],
)
def test_every_fault_names_the_variable_and_the_cause(name: str, cause: str) -> None:
    """It is a setting that is wrong, so the exit code is 78, and the reason is in its words."""
    with pytest.raises(SettingsError, match=cause) as caught:
        own_code.call("JOB_MODEL", name, number=21)

    assert caught.value.seen.startswith(f"JOB_MODEL={name}: ")
    assert caught.value.exit_code == ExitCode.SETTINGS
    assert caught.value.fix
