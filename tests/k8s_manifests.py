"""The manifests of `k8s/`: where they are, and what kubectl makes of them."""

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
READER: Final = FOLDER / "read-results.yaml"
OVERLAYS: Final = sorted(folder.name for folder in (FOLDER / "overlays").iterdir())


def overlay(name: str) -> list[Manifest]:
    """What `kubectl apply -k k8s/overlays/<name>` would send."""
    return read(render(FOLDER / "overlays" / name))


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


def pod_specs(documents: list[Manifest]) -> Iterator[Manifest]:
    """The specification of every pod that the documents ask for."""
    for document in documents:
        if document["kind"] == "Job":
            yield document["spec"]["template"]["spec"]
        if document["kind"] == "Pod":
            yield document["spec"]


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
