"""What is written is so: pages that repeat the code equal it, links lead somewhere."""

import re
from pathlib import Path
from typing import Final

import pytest

import generated_docs
from job.errors import ExitCode
from job.settings import KINDS

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
OUTPUTS: Final = (
    "metrics.json",
    "metrics.jsonl",
    "preflight.json",
    "heartbeat.json",
    "lease/",
    "model.safetensors",
    "model.pth",
    "model.pt2",
    "report.html",
    "plots/",
    "checkpoints/",
    "attempts.jsonl",
)


@pytest.mark.parametrize("name", generated_docs.PAGES)
def test_generated_page_is_the_one_that_the_code_makes(name: str) -> None:
    """Tables and schemas say what the code says; `make docs` mends them."""
    assert (ROOT / "docs" / name).read_text() == generated_docs.PAGES[name]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    """A link that breaks is found here, not by a reader."""
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_exists(page: Path) -> None:
    """No page speaks of a setting that was renamed or never built."""
    known = {f"JOB_{name.upper()}" for kind in KINDS for name in kind.model_fields}
    known |= {"JOB_COMPLETION_INDEX"}
    known |= {"JOB_RUNTIME", "JOB_IMAGE"}  # of the scripts of slurm/, which the job never sees
    named = set(re.findall(r"\bJOB_[A-Z_]+[A-Z]\b", page.read_text()))

    assert named - known == set()


def test_readme_names_every_exit_code_and_output() -> None:
    """Who reads only the README knows how a run ends and what it leaves."""
    readme = (ROOT / "README.md").read_text()

    assert [name for name in OUTPUTS if f"{name}" not in readme] == []
    assert [int(code) for code in ExitCode if f"| {int(code)} |" not in readme] == []


def test_readme_commands_are_targets_of_the_makefile() -> None:
    """Each `make` line of the docs can be typed."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text())}

    assert typed - targets == set()
