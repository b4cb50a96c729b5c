"""What a sweep on Kubernetes must keep to: an index for each point, and each fails alone.

The rules are like those of `k8s_rules`.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from job.sweep.points import parse
from k8s_crew_rules import is_sweep
from k8s_environment import environment
from k8s_manifests import Manifest


def whole_sweeps(documents: list[Manifest]) -> Iterator[str]:
    """There are as many indices as points, and one that fails leaves the others alone."""
    for document in documents:
        if document["kind"] == "Job" and is_sweep(documents, document, document["spec"]):
            yield from _faults(documents, document)


SWEEP_RULES: Final = (whole_sweeps,)


def _faults(documents: list[Manifest], document: Manifest) -> Iterator[str]:
    job = document["spec"]
    if job.get("completionMode") != "Indexed":
        yield "no pod knows which point it is"
    text = _file(documents, document)
    if text is None:
        yield "JOB_SWEEP names no file that is mounted"
    elif len(parse(text)) != job.get("completions"):
        yield f"{len(parse(text))} points, and completions is {job.get('completions')}"
    if "backoffLimit" in job or "backoffLimitPerIndex" not in job:
        yield "failures are counted for all points together"
    if job.get("maxFailedIndexes", job.get("completions", 0)) >= job.get("completions", 0):
        yield "a sweep of which every point fails goes on to its end"
    if not any(rule["action"] == "FailIndex" for rule in job["podFailurePolicy"]["rules"]):
        yield "what no further attempt can mend is tried again, or fails the other points"


def _file(documents: list[Manifest], document: Manifest) -> str | None:
    """The text of the file that JOB_SWEEP names, out of the ConfigMap that is mounted there."""
    spec = document["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    path = PurePosixPath(environment(documents, document, container)["JOB_SWEEP"])
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        name = volumes[mount["name"]].get("configMap", {}).get("name")
        if mount["mountPath"] == str(path.parent) and name is not None:
            return _data(documents, name).get(path.name)
    return None


def _data(documents: list[Manifest], name: str) -> dict[str, str]:
    named = [each for each in documents if each["metadata"]["name"] == name]
    return dict(next((each["data"] for each in named if each["kind"] == "ConfigMap"), {}))
