"""What a manifest must keep to that its schema does not say.

Most of it the API server would reject; the rest are rules of this house. A rule takes the documents
that are applied together and yields one sentence for each fault.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from k8s_crew_rules import CREW_RULES
from k8s_manifests import Manifest, job_specs, pod_specs
from k8s_pod_rules import POD_RULES
from k8s_set_rules import SET_RULES
from k8s_sweep_rules import SWEEP_RULES
from k8s_values import known_values

Rule = Callable[[list[Manifest]], Iterator[str]]

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
    for job in job_specs(documents):
        policy = job["template"]["spec"].get("restartPolicy")
        if policy not in ("Never", "OnFailure", None):
            yield f"restartPolicy is {policy}"
        if policy is None:
            yield "restartPolicy is missing, and its default is Always"


def exit_codes_need_new_pods(documents: list[Manifest]) -> Iterator[str]:
    """A podFailurePolicy judges pods, so a container is not restarted within one."""
    for job in job_specs(documents):
        policy = job["template"]["spec"].get("restartPolicy")
        if "podFailurePolicy" in job and policy == "OnFailure":
            yield "restartPolicy is OnFailure beside a podFailurePolicy, which needs Never"


def indexed_limits(documents: list[Manifest]) -> Iterator[str]:
    """Limits per index belong to Indexed Jobs."""
    for job in job_specs(documents):
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
    for job in job_specs(documents):
        known = {container["name"] for container in job["template"]["spec"]["containers"]}
        for rule in _failure_rules(job):
            name = rule.get("onExitCodes", {}).get("containerName")
            if name is not None and name not in known:
                yield f"containerName is {name}, there is {', '.join(sorted(known))}"


def ordered_exit_codes(documents: list[Manifest]) -> Iterator[str]:
    """Exit codes ascend, each stands once, and success is no failure."""
    for job in job_specs(documents):
        for rule in _failure_rules(job):
            codes = rule.get("onExitCodes", {}).get("values", [])
            if codes != sorted(set(codes)) or 0 in codes:
                yield f"exit codes are {codes}"


def replacement_after_failure(documents: list[Manifest]) -> Iterator[str]:
    """With a podFailurePolicy, a pod is replaced once it has failed, not while it ends."""
    for job in job_specs(documents):
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
    """Whatever a pod or a TrainJob refers to is applied with it."""
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    runtimes = [each["spec"]["runtimeRef"] for each in documents if each["kind"] == "TrainJob"]
    wanted = [(runtime["kind"], runtime["name"]) for runtime in runtimes]
    for job in job_specs(documents):
        wanted += _references(job["template"]["spec"])
    for kind, name in wanted:
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
    for job in job_specs(documents):
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
    *POD_RULES,
    *CREW_RULES,
    *SET_RULES,
    *SWEEP_RULES,
)


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
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for claim in spec.get("resourceClaims", []):
        yield "ResourceClaimTemplate", claim["resourceClaimTemplateName"]


def _lacking(seen: Manifest, wanted: Manifest) -> Iterator[str]:
    for key, value in wanted.items():
        if seen.get(key) != value:
            yield f"{key} is {seen.get(key)}, wanted is {value}"
