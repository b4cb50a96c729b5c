"""What a manifest must keep to that its schema does not say.

Most of it the API server would reject; the rest are rules of this house. A rule takes the documents
that are applied together and yields one sentence for each fault.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from k8s_manifests import Manifest, pod_specs

Rule = Callable[[list[Manifest]], Iterator[str]]

# The last two keys of a path, list indices left out, and what may stand there.
ENUMERATIONS: Final[dict[tuple[str, str], set[str]]] = {
    ("rules", "action"): {"FailJob", "FailIndex", "Ignore", "Count"},
    ("onExitCodes", "operator"): {"In", "NotIn"},
    ("onPodConditions", "status"): {"True", "False", "Unknown"},
    ("spec", "completionMode"): {"NonIndexed", "Indexed"},
    ("spec", "podReplacementPolicy"): {"TerminatingOrFailed", "Failed"},
    ("spec", "restartPolicy"): {"Never", "OnFailure", "Always"},
    ("spec", "accessModes"): {
        "ReadWriteOnce",
        "ReadOnlyMany",
        "ReadWriteMany",
        "ReadWriteOncePod",
    },
    ("containers", "imagePullPolicy"): {"Always", "IfNotPresent", "Never"},
    ("containers", "terminationMessagePolicy"): {"File", "FallbackToLogsOnError"},
    ("securityContext", "fsGroupChangePolicy"): {"OnRootMismatch", "Always"},
    ("seccompProfile", "type"): {"RuntimeDefault", "Localhost", "Unconfined"},
    ("tolerations", "operator"): {"Exists", "Equal"},
    ("tolerations", "effect"): {"NoSchedule", "PreferNoSchedule", "NoExecute"},
    ("emptyDir", "medium"): {"", "Memory", "HugePages"},
    ("exactly", "allocationMode"): {"ExactCount", "All"},
}
LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PINNED_IMAGE: Final = re.compile(r".+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")
RESTRICTED_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED_CONTAINER: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def faults(documents: list[Manifest]) -> dict[str, list[str]]:
    """The sentences of every rule that is broken, by the rule's name."""
    found = {rule.__name__: list(rule(documents)) for rule in RULES}
    return {name: sentences for name, sentences in found.items() if sentences}


def known_values(documents: list[Manifest]) -> Iterator[str]:
    """An enumeration takes one of its words; in the schema it is any text."""
    for document in documents:
        for path, value in _leaves(document, ()):
            allowed = ENUMERATIONS.get((path[-2], path[-1])) if len(path) > 1 else None
            if allowed is not None and value not in allowed:
                yield f"{'.'.join(path)} is {value}, allowed is {', '.join(sorted(allowed))}"


def whole_devices(documents: list[Manifest]) -> Iterator[str]:
    """GPUs come whole, and a request for them equals the limit."""
    for container in _containers(documents):
        requests = container["resources"].get("requests", {})
        limits = container["resources"].get("limits", {})
        for name in sorted(key for key in requests | limits if "/" in key):
            if name in requests and requests[name] != limits.get(name):
                yield f"{name}: request {requests[name]}, limit {limits.get(name)}"
            if not str(limits.get(name, 0)).isdigit():
                yield f"{name}: {limits[name]} is not a whole number"


def plain_names(documents: list[Manifest]) -> Iterator[str]:
    """Names are RFC 1123 labels, which pods' host names are made of."""
    names = [document["metadata"]["name"] for document in documents]
    for spec in pod_specs(documents):
        for part in ("containers", "volumes", "resourceClaims"):
            names += [each["name"] for each in spec.get(part, [])]
    yield from (f"{name!r} is no RFC 1123 label" for name in names if not LABEL.fullmatch(name))


def jobs_that_end(documents: list[Manifest]) -> Iterator[str]:
    """A Job says whether its containers are restarted, and never that they always are."""
    for job in _jobs(documents):
        policy = job["template"]["spec"].get("restartPolicy")
        if policy not in ("Never", "OnFailure", None):
            yield f"restartPolicy is {policy}"
        if policy is None:
            yield "restartPolicy is missing, and its default is Always"


def exit_codes_need_new_pods(documents: list[Manifest]) -> Iterator[str]:
    """A podFailurePolicy judges pods, so a container is not restarted within one."""
    for job in _jobs(documents):
        policy = job["template"]["spec"].get("restartPolicy")
        if "podFailurePolicy" in job and policy == "OnFailure":
            yield "restartPolicy is OnFailure beside a podFailurePolicy, which needs Never"


def indexed_limits(documents: list[Manifest]) -> Iterator[str]:
    """Limits per index belong to Indexed Jobs."""
    for job in _jobs(documents):
        if job.get("completionMode") == "Indexed":
            continue
        yield from (
            f"{key} without completionMode Indexed"
            for key in ("backoffLimitPerIndex", "maxFailedIndexes")
            if key in job
        )
        if any(rule["action"] == "FailIndex" for rule in _failure_rules(job)):
            yield "action FailIndex without completionMode Indexed"


def judged_containers(documents: list[Manifest]) -> Iterator[str]:
    """A rule about exit codes names a container that there is."""
    for job in _jobs(documents):
        known = {container["name"] for container in job["template"]["spec"]["containers"]}
        for rule in _failure_rules(job):
            name = rule.get("onExitCodes", {}).get("containerName")
            if name is not None and name not in known:
                yield f"containerName is {name}, there is {', '.join(sorted(known))}"


def ordered_exit_codes(documents: list[Manifest]) -> Iterator[str]:
    """Exit codes ascend, each stands once, and success is no failure."""
    for job in _jobs(documents):
        for rule in _failure_rules(job):
            codes = rule.get("onExitCodes", {}).get("values", [])
            if codes != sorted(set(codes)) or 0 in codes:
                yield f"exit codes are {codes}"


def replacement_after_failure(documents: list[Manifest]) -> Iterator[str]:
    """With a podFailurePolicy, a pod is replaced once it has failed, not while it ends."""
    for job in _jobs(documents):
        policy = job.get("podReplacementPolicy", "Failed")
        if "podFailurePolicy" in job and policy == "TerminatingOrFailed":
            yield f"podReplacementPolicy is {policy} beside a podFailurePolicy"


def mounted_volumes(documents: list[Manifest]) -> Iterator[str]:
    """What is mounted is a volume of the pod, and each volume is mounted."""
    for spec in pod_specs(documents):
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        mounts = {m["name"] for each in spec["containers"] for m in each.get("volumeMounts", [])}
        yield from (f"no volume for the mount {name}" for name in sorted(mounts - volumes))
        yield from (f"no mount of the volume {name}" for name in sorted(volumes - mounts))


def complete_set(documents: list[Manifest]) -> Iterator[str]:
    """Whatever a Job refers to is applied with it."""
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for job in _jobs(documents):
        for kind, name in _references(job["template"]["spec"]):
            if (kind, name) not in there:
                yield f"{kind} {name} is not in the same file"


def claimed_devices(documents: list[Manifest]) -> Iterator[str]:
    """A container's claim is one of its pod's."""
    for spec in pod_specs(documents):
        claims = {claim["name"] for claim in spec.get("resourceClaims", [])}
        for container in spec["containers"]:
            for claim in container["resources"].get("claims", []):
                if claim["name"] not in claims:
                    yield f"the pod has no claim {claim['name']}"


def only_disruptions_are_free(documents: list[Manifest]) -> Iterator[str]:
    """Ignored is what the cluster did; a code that the job chose could be repeated for ever."""
    for job in _jobs(documents):
        for rule in _failure_rules(job):
            conditions = [each["type"] for each in rule.get("onPodConditions", [])]
            if rule["action"] == "Ignore" and conditions != ["DisruptionTarget"]:
                yield "Ignore without DisruptionTarget"


def restricted_pods(documents: list[Manifest]) -> Iterator[str]:
    """The `restricted` Pod Security standard, a read-only root, and no doors that nobody uses."""
    for spec in pod_specs(documents):
        yield from _lacking(spec["securityContext"], RESTRICTED_POD)
        for container in spec["containers"]:
            yield from _lacking(container.get("securityContext", {}), RESTRICTED_CONTAINER)
        yield from _lacking(
            spec, {"automountServiceAccountToken": False, "enableServiceLinks": False}
        )
        if "hostPath" in str(spec) or any(key.startswith("host") for key in spec):
            yield "the pod reaches for its host"


def pinned_images(documents: list[Manifest]) -> Iterator[str]:
    """An image has a tag that stays, and is not pulled where it is there."""
    for container in _containers(documents):
        if not PINNED_IMAGE.fullmatch(container["image"]):
            yield f"{container['image']} has no tag that stays"
        if container.get("imagePullPolicy") != "IfNotPresent":
            yield f"{container['image']} is looked for in a registry"


RULES: Final[tuple[Rule, ...]] = (
    known_values,
    whole_devices,
    plain_names,
    jobs_that_end,
    exit_codes_need_new_pods,
    indexed_limits,
    judged_containers,
    ordered_exit_codes,
    replacement_after_failure,
    mounted_volumes,
    complete_set,
    claimed_devices,
    only_disruptions_are_free,
    restricted_pods,
    pinned_images,
)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, path)
    else:
        yield path, value


def _jobs(documents: list[Manifest]) -> Iterator[Manifest]:
    yield from (document["spec"] for document in documents if document["kind"] == "Job")


def _failure_rules(job: Manifest) -> list[Manifest]:
    return list(job.get("podFailurePolicy", {}).get("rules", []))


def _containers(documents: list[Manifest]) -> Iterator[Manifest]:
    for spec in pod_specs(documents):
        yield from spec["containers"]


def _references(spec: Manifest) -> Iterator[tuple[str, str]]:
    for container in spec["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
    for volume in spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for claim in spec.get("resourceClaims", []):
        yield "ResourceClaimTemplate", claim["resourceClaimTemplateName"]


def _lacking(seen: Manifest, wanted: Manifest) -> Iterator[str]:
    for key, value in wanted.items():
        if seen.get(key) != value:
            yield f"{key} is {seen.get(key)}, wanted is {value}"
