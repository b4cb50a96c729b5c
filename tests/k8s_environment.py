"""What a pod finds in its environment, as the kubelet fills it in."""

import re
from collections.abc import Mapping
from typing import Final

from k8s_manifests import Manifest

JOB_NAME: Final = "metadata.labels['batch.kubernetes.io/job-name']"
COORDINATOR: Final = "metadata.annotations['jobset.sigs.k8s.io/coordinator']"


def environment(documents: list[Manifest], owner: Manifest, container: Manifest) -> dict[str, str]:
    """The variables of a container in a pod of `owner`, which is a Job or a JobSet.

    What is known only on a node is empty.
    """
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        values |= _settings(documents, source["configMapRef"]["name"])
    for variable in container.get("env", []):
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        value = _expanded(variable.get("value", ""), values)
        values[variable["name"]] = _fields(owner).get(path, "") if path else value
    return values


def _settings(documents: list[Manifest], name: str) -> dict[str, str]:
    for document in documents:
        if (document["kind"], document["metadata"]["name"]) == ("ConfigMap", name):
            return dict(document["data"])
    return {}


def _expanded(value: str, values: Mapping[str, str]) -> str:
    """With each $(NAME) that has been set above."""
    return re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), value)


def _fields(owner: Manifest) -> dict[str, str]:
    """What the controllers write into the metadata of a pod, by its path."""
    name = owner["metadata"]["name"]
    if "coordinator" not in owner["spec"]:
        return {JOB_NAME: name}
    first = owner["spec"]["coordinator"]
    host = f"{name}-{first['replicatedJob']}-{first['jobIndex']}-{first['podIndex']}"
    return {COORDINATOR: f"{host}.{name}"}
