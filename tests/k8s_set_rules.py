"""What a JobSet, and a TrainJob with its runtime, must keep to besides their schemas.

The rules are like those of `k8s_rules`, and read from the sources of JobSet and Kubeflow Trainer.
"""

from collections.abc import Iterator
from typing import Final

from k8s_environment import COORDINATOR
from k8s_manifests import Manifest, set_specs

TRAINER: Final = "node"  # the part and its container, to Kubeflow Trainer
STEP: Final = "trainer.kubeflow.org/trainjob-ancestor-step"


def restarting_sets(documents: list[Manifest]) -> Iterator[str]:
    """A pod that fails restarts its whole set, unless it has failed for good."""
    for job_set in set_specs(documents):
        policy = job_set.get("failurePolicy", {})
        if policy.get("maxRestarts", 0) < 1:
            yield "the set is never restarted"
        if not any(_ends_the_set(rule) for rule in policy.get("rules", [])):
            yield "what podFailurePolicy fails for good is tried again"
        for part in job_set["replicatedJobs"]:
            if part["template"]["spec"].get("backoffLimit") != 0:
                yield f"{part['name']}: a pod is replaced, and the others stay"


def reachable_coordinators(documents: list[Manifest]) -> Iterator[str]:
    """Rank 0 is the coordinator, the first pod of a part, and its name can be looked up."""
    for job_set in (each["spec"] for each in documents if each["kind"] == "JobSet"):
        parts = {part["name"]: part["template"]["spec"] for part in job_set["replicatedJobs"]}
        first = job_set["coordinator"]
        if first["replicatedJob"] not in parts or (first["jobIndex"], first["podIndex"]) != (0, 0):
            yield f"the coordinator is {first}, the parts are {', '.join(parts)}"
        if not all(job_set["network"].values()):
            yield f"the network is {job_set['network']}"
        for name, job in parts.items():
            if COORDINATOR not in str(job["template"]["spec"]["containers"]):
                yield f"{name} does not read where the coordinator is"


def named_trainers(documents: list[Manifest]) -> Iterator[str]:
    """Kubeflow Trainer finds what trains by its names, and tells it its place."""
    for document in documents:
        if document["kind"] == "TrainingRuntime":
            yield from _unnamed(document["spec"])
        if document["kind"] == "TrainJob":
            trainer = document["spec"].get("trainer")
            if trainer is None:
                yield "a TrainJob without `trainer` gets no PET variables"
            elif "resourcesPerNode" in trainer:
                yield "resourcesPerNode replaces the resources of the runtime"


SET_RULES: Final = (restarting_sets, reachable_coordinators, named_trainers)


def _ends_the_set(rule: Manifest) -> bool:
    # Another action would be for `known_values` to see.
    is_end = not rule["action"].startswith("Restart")
    return is_end and "PodFailurePolicy" in rule["onJobFailureReasons"]


def _unnamed(runtime: Manifest) -> Iterator[str]:
    if "torch" not in runtime["mlPolicy"]:
        yield "a runtime without mlPolicy.torch gives no PET variables"
    (part,) = runtime["template"]["spec"]["replicatedJobs"]
    (container,) = part["template"]["spec"]["template"]["spec"]["containers"]
    if (part["name"], container["name"]) != (TRAINER, TRAINER):
        yield f"part and container are {part['name']} and {container['name']}, not {TRAINER}"
    if part["template"]["metadata"]["labels"].get(STEP) != "trainer":
        yield f"the part has no label {STEP}: trainer"
