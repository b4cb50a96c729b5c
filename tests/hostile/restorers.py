"""Finds in a module's source what would restore objects, or run what a file says."""

import ast
from collections.abc import Iterator
from typing import Final

# Modules of which no part is wanted; `pickletools` only reads.
MODULES: Final = frozenset(
    "_pickle cloudpickle dill joblib jsonpickle marshal pickle shelve yaml".split()  # noqa: SIM905
)
CALLS: Final = frozenset(
    {
        "eval",
        "exec",
        "numpy.load",
        "numpy.loadtxt",
        "pandas.read_pickle",
        "runpy.run_path",
        "torch.export.load",
        "torch.hub.load",
        "torch.jit.load",
        "torch.load",
        "torch.package.PackageImporter",
    }
)
# torch.distributed pickles whatever its functions for objects are given.
OBJECTS: Final = ("_object", "_object_list")


def restorers_in(source: str) -> list[str]:
    """The names of all that is imported or called there and restores or runs something."""
    tree = ast.parse(source)
    names = dict(_imports(tree))
    found = [full for full in names.values() if full.split(".")[0] in MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            full = _full_name(node, names)
            if full in CALLS or (full.startswith("torch.") and full.endswith(OBJECTS)):
                found.append(full)
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What is called how in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or name, alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""
