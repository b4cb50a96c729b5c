"""Judges manifests by schemas: Kubernetes' own, and the API models that Kubeflow Trainer publishes.

Kubernetes' schemas know no JobSet and no TrainJob. The models do, but drop the fields that they do
not know: a manifest is sound if nothing of it is lost. The Jobs within it are judged by both.
"""

import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

import yaml

from k8s_manifests import Manifest, job_specs

MODELS: Final = {
    "JobSet": "jobset_v1alpha2_job_set:JobsetV1alpha2JobSet",
    "TrainingRuntime": "trainer_v1alpha1_training_runtime:TrainerV1alpha1TrainingRuntime",
    "TrainJob": "trainer_v1alpha1_train_job:TrainerV1alpha1TrainJob",
}


def known(documents: list[Manifest]) -> list[Manifest]:
    """What the models know of the documents that have one.

    Raises pydantic's ValidationError for a field that is missing or of another type.
    """
    return [_model(each).from_dict(each).to_dict() for each in modelled(documents)]


def modelled(documents: list[Manifest]) -> list[Manifest]:
    """The documents that have a model."""
    return [document for document in documents if document["kind"] in MODELS]


def validate(
    version: str, documents: list[Manifest], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run kubernetes-validate for a version of Kubernetes over a file that it finds in `folder`."""
    path = folder / "judged.yaml"
    path.write_text(yaml.safe_dump_all(as_kubernetes_has_them(documents)))
    program = Path(sys.executable).with_name("kubernetes-validate")
    command: list[str | Path] = [program, "--strict", "-k", version, path]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def as_kubernetes_has_them(documents: list[Manifest]) -> list[Manifest]:
    """The documents, with the Jobs that they make in place of those that have a model."""
    jobs = [
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "part"}, "spec": spec}
        for spec in job_specs(modelled(documents))
    ]
    return [each for each in documents if each["kind"] not in MODELS] + jobs


def _model(document: Manifest) -> Any:
    return resolve_name(f"kubeflow_trainer_api.models.{MODELS[document['kind']]}")
