"""The manifests of `k8s/`: where they are, and what kubectl makes of them.

A variant is a complete file, such as `train-job`, or an overlay, by its name.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "k8s"
TRAIN_JOB: Final = FOLDER / "train-job.yaml"
BASE: Final = FOLDER / "base"
FILES: Final = sorted(path.stem for path in FOLDER.glob("*.yaml"))
OVERLAYS: Final = sorted(folder.name for folder in (FOLDER / "overlays").iterdir())
VARIANTS: Final = (*FILES, *OVERLAYS)


def path_of(variant: str) -> str:
    """Where a variant is, below the project's folder."""
    return f"k8s/{variant}.yaml" if variant in FILES else f"k8s/overlays/{variant}"


def documents_of(variant: str) -> list[Manifest]:
    """What `kubectl apply` would send of a variant."""
    path = ROOT / path_of(variant)
    return read(path.read_text() if variant in FILES else render(path))


@cache
def render(folder: Path) -> str:
    """The documents that a kustomization makes, as YAML; no cluster is asked."""
    kubectl = Path(sys.executable).with_name("kubectl")
    return subprocess.run(
        [str(kubectl), "kustomize", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def read(text: str) -> list[Manifest]:
    """The documents of a YAML stream."""
    return list(yaml.safe_load_all(text))


def only(documents: list[Manifest], kind: str) -> Manifest:
    """The one document of a kind."""
    (document,) = (each for each in documents if each["kind"] == kind)
    return document


def set_specs(documents: list[Manifest]) -> Iterator[Manifest]:
    """The specification of every JobSet: written as such, or made by Trainer of a runtime."""
    for document in documents:
        if document["kind"] == "JobSet":
            yield document["spec"]
        if document["kind"] == "TrainingRuntime":
            yield document["spec"]["template"]["spec"]


def job_specs(documents: list[Manifest]) -> Iterator[Manifest]:
    """The specification of every Job: written as such, or part of a JobSet."""
    yield from (document["spec"] for document in documents if document["kind"] == "Job")
    for job_set in set_specs(documents):
        yield from (part["template"]["spec"] for part in job_set["replicatedJobs"])


def pod_specs(documents: list[Manifest]) -> Iterator[Manifest]:
    """The specification of every pod: written as such, or made for a Job."""
    yield from (document["spec"] for document in documents if document["kind"] == "Pod")
    yield from (job["template"]["spec"] for job in job_specs(documents))


def as_pod(documents: list[Manifest]) -> list[Manifest]:
    """The same with the Job's pod in place of the Job, for engines that know no Jobs."""
    job = only(documents, "Job")
    template = job["spec"]["template"]
    labels = template["metadata"]["labels"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": job["metadata"]["name"], "labels": labels},
        "spec": template["spec"],
    }
    return [pod if each is job else each for each in documents]
