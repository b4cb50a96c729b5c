"""The house stands as it was planned: layers, rooms, and no room too large to read."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = sorted((ROOT / "job").rglob("*.py"))
LIMIT_FILE_LINES: Final = 270
LIMIT_FUNCTION_LINES: Final = 40
FORBIDDEN_NAMES: Final = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
# A protocol, a dataclass and a sum, which the tests of every step go through.
DECLARATIONS: Final = {"test_step_contract.py"}
# What `explain`, `schema` and every error of the settings must do without.
LIGHT_MODULES: Final = (
    "job.commands",
    "job.explain",
    "job.record",
    "job.settings",
    "job.errors",
    "job.health",
)


def name_of(path: Path) -> str:
    """The module's path below the repository, for the names of tests."""
    return str(path.relative_to(ROOT))


def functions_of(path: Path) -> Iterator[ast.FunctionDef]:
    """Every function and method of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_modules_import_from_lower_layers_only() -> None:
    """import-linter knows the layers, and every module stands in one."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_is_for(path: Path) -> None:
    """It opens with a docstring, fits on a few screens, and has a name that means something."""
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert len(path.read_text().splitlines()) <= LIMIT_FILE_LINES
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    """No function is the program."""
    long = {f.name: body_lines(f) for f in functions_of(path)}

    assert {name: lines for name, lines in long.items() if lines > LIMIT_FUNCTION_LINES} == {}


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_import_no_torch(module: str) -> None:
    """An error in the settings, or a plan, does not wait two seconds for torch."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_module_has_its_test_file() -> None:
    """One `test_<module>.py` per module; packages put their name in front."""
    expected = set()
    for path in MODULES:
        parts = [part.strip("_") for part in path.relative_to(ROOT / "job").with_suffix("").parts]
        if parts[-1] != "init":
            expected.add("_".join(["test", *parts]) + ".py")

    assert expected - DECLARATIONS - {path.name for path in (ROOT / "tests").glob("*.py")} == set()
