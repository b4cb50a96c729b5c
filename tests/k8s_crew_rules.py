"""What the pods of one run must keep to, so that they find each other and wait in vain for none.

The rules are like those of `k8s_rules`. The pods of a sweep are no crew: each is a run of its own.
"""

from collections.abc import Iterator
from typing import Final

from k8s_environment import environment
from k8s_manifests import Manifest, job_specs

ONE_NODE: Final = "kubernetes.io/hostname"


def whole_crews(documents: list[Manifest]) -> Iterator[str]:
    """An Indexed Job says how many pods it has, all run at once, and all are needed."""
    for owner, job in _indexed(documents):
        if is_sweep(documents, owner, job):
            continue
        completions, parallelism = job.get("completions"), job.get("parallelism")
        # Trainer fills in both.
        if owner["kind"] != "TrainingRuntime" and completions is None:
            yield "completionMode is Indexed without completions"
        elif completions != parallelism:
            yield f"completions is {completions}, and parallelism is {parallelism}"
        if "backoffLimitPerIndex" in job and job.get("maxFailedIndexes") != 0:
            yield "backoffLimitPerIndex without maxFailedIndexes: 0"


def known_nodes(documents: list[Manifest]) -> Iterator[str]:
    """The job is told as many nodes as there are pods."""
    for owner, job in _owned(documents):
        (container,) = job["template"]["spec"]["containers"]
        told = environment(documents, owner, container).get("JOB_NODES", "")
        pods = str(job.get("completions", "")) if job.get("completionMode") == "Indexed" else "1"
        if told and pods and told != pods:
            yield f"JOB_NODES is {told}, and the number of pods is {pods}"
    counts = {nodes for document in documents for nodes in _numbers_of_nodes(document)}
    if len(counts) > 1:
        yield f"numNodes is {' and '.join(map(str, sorted(counts)))}"


def reachable_masters(documents: list[Manifest]) -> Iterator[str]:
    """All look for rank 0 at the name that a headless Service gives to the pod of index 0."""
    for job in (each for each in documents if each["kind"] == "Job" and _size(each) > 1):
        if is_sweep(documents, job, job["spec"]):
            continue
        template = job["spec"]["template"]
        name, subdomain = job["metadata"]["name"], template["spec"].get("subdomain")
        (container,) = template["spec"]["containers"]
        address = environment(documents, job, container).get("JOB_MASTER_ADDRESS")
        if address != f"{name}-0.{subdomain}":
            yield f"JOB_MASTER_ADDRESS is {address}, and rank 0 is at {name}-0.{subdomain}"
        if not any(_names(each, subdomain, template) for each in documents):
            yield f"no Service {subdomain} gives names to the pods"


def shared_volumes(documents: list[Manifest]) -> Iterator[str]:
    """A volume of pods on several nodes can be written to by several nodes."""
    modes = {
        document["metadata"]["name"]: document["spec"]["accessModes"]
        for document in documents
        if document["kind"] == "PersistentVolumeClaim"
    }
    for _, job in _crews(documents):
        for volume in job["template"]["spec"]["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if modes.get(claim, ["ReadWriteMany"]) != ["ReadWriteMany"]:
                yield f"pods on several nodes share a volume that is {modes[claim]}"


def separate_nodes(documents: list[Manifest]) -> Iterator[str]:
    """Each pod of a run comes to a node of its own."""
    for owner, job in _crews(documents):
        if is_sweep(documents, owner, job):
            continue
        terms = (
            job["template"]["spec"]
            .get("affinity", {})
            .get("podAntiAffinity", {})
            .get("requiredDuringSchedulingIgnoredDuringExecution", [])
        )
        labels = job["template"]["metadata"]["labels"]
        chosen = [
            term["labelSelector"]["matchLabels"]
            for term in terms
            if term["topologyKey"] == ONE_NODE
        ]
        if not any(selector.items() <= labels.items() for selector in chosen):
            yield "the pods do not keep away from each other"


CREW_RULES: Final = (whole_crews, known_nodes, reachable_masters, shared_volumes, separate_nodes)


def is_sweep(documents: list[Manifest], owner: Manifest, job: Manifest) -> bool:
    """Whether an index of the Job is the point of a sweep."""
    (container,) = job["template"]["spec"]["containers"]
    return "JOB_SWEEP" in environment(documents, owner, container)


def _owned(documents: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Every Job's specification, and the document that it comes from."""
    for document in documents:
        yield from ((document, job) for job in job_specs([document]))


def _indexed(documents: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    for owner, job in _owned(documents):
        if job.get("completionMode") == "Indexed":
            yield owner, job


def _crews(documents: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Those of them that have more than one pod."""
    for owner, job in _indexed(documents):
        if job.get("completions", next(_numbers_of_nodes(owner), 1)) > 1:
            yield owner, job


def _size(job: Manifest) -> int:
    return int(job["spec"].get("completions", 1))


def _numbers_of_nodes(document: Manifest) -> Iterator[int]:
    for part in ("mlPolicy", "trainer"):
        if "numNodes" in document.get("spec", {}).get(part, {}):
            yield document["spec"][part]["numNodes"]


def _names(service: Manifest, subdomain: str, template: Manifest) -> bool:
    """Whether it is the Service that gives the pods their names, ready or not."""
    if service["kind"] != "Service" or service["metadata"]["name"] != subdomain:
        return False
    spec, labels = service["spec"], template["metadata"]["labels"]
    is_headless = spec.get("clusterIP") == "None" and spec.get("publishNotReadyAddresses") is True
    return is_headless and spec["selector"].items() <= labels.items()
