"""Claims about docs/kubernetes.md: what it says of `k8s/` is so, and what it shows works."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

import k8s_rules
from job.data.spec import FASHION_MNIST
from job.data.split import Share
from job.errors import POLICIES
from job.settings.recipes import RECIPES
from k8s_manifests import FOLDER, ROOT, VARIANTS, documents_of, only, path_of, read, render

HOPELESS: Final = [int(code) for code, each in POLICIES.items() if each.kubernetes == "FailJob"]
PAGE: Final = ROOT / "docs" / "kubernetes.md"
SNIPPET: Final = "```yaml\n"


@pytest.mark.parametrize(
    ("variant", "key"),
    [
        ("train-job", "backoffLimit"),
        ("train-job", "activeDeadlineSeconds"),
        ("train-job", "ttlSecondsAfterFinished"),
        ("train-job", "terminationGracePeriodSeconds"),
        ("multi-node", "backoffLimitPerIndex"),
        ("multi-node", "maxFailedIndexes"),
        ("sweep-job", "maxFailedIndexes"),
    ],
)
def test_page_states_the_numbers_of_the_manifest(variant: str, key: str) -> None:
    """Who reads only the page knows how long and how often."""
    job = only(documents_of(variant), "Job")["spec"]
    value = (job | job["template"]["spec"])[key]

    assert f"`{key}: {value}`" in PAGE.read_text()


def test_page_states_how_often_a_set_restarts() -> None:
    """A JobSet counts for itself."""
    policy = only(documents_of("jobset"), "JobSet")["spec"]["failurePolicy"]

    assert f"`maxRestarts: {policy['maxRestarts']}`" in PAGE.read_text()


def test_page_states_how_many_gpus_a_batch_fits() -> None:
    """More of them, and the job refuses to start."""
    images = FASHION_MNIST.train_images.shape[0]
    most = {
        name: max(n for n in range(1, 257) if Share(0, n).fits(images, recipe["batch_size"]))
        for name, recipe in RECIPES.items()
    }
    told = f"quickstart fits up to {most['quickstart']} GPUs, accurate up to {most['accurate']}"
    assert told in PAGE.read_text()


def test_page_leads_from_every_failure_to_its_cause() -> None:
    """Each code but success has its place in the table."""
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE)
    explained = {int(code) for row in rows for code in row.split(",")}
    *first, last = map(str, HOPELESS)

    assert {int(code) for code in POLICIES} - explained == {0}
    assert f"at once on {', '.join(first)} and {last}" in PAGE.read_text()


def test_page_names_manifests_that_exist() -> None:
    """Each path can be typed, and each variant is spoken of."""
    named = set(re.findall(r"-[fk] (k8s/[\w./-]+)", PAGE.read_text()))

    assert [path for path in named if not (ROOT / path).exists()] == []
    assert {path_of(variant) for variant in VARIANTS} <= named


@pytest.mark.parametrize("snippet", range(PAGE.read_text().count(SNIPPET)))
def test_kustomization_of_the_page_renders_and_breaks_no_rule(tmp_path: Path, snippet: int) -> None:
    """What is copied from the page, into a folder beside `k8s/`, works."""
    text = PAGE.read_text().split(SNIPPET)[snippet + 1].partition("```")[0]
    shutil.copytree(FOLDER, tmp_path / "k8s")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "kustomization.yaml").write_text(text)
    documents = read(render(tmp_path / "ours"))

    assert k8s_rules.faults(documents) == {}
    assert documents != documents_of("train-job")
