"""The words that a field of text may hold: the schemas allow it any."""

from collections.abc import Iterator
from typing import Any, Final

from k8s_manifests import Manifest

# The last keys of a path, list indices left out, and what may stand there.
ENUMERATIONS: Final[dict[tuple[str, ...], set[str]]] = {
    ("podFailurePolicy", "rules", "action"): {"FailJob", "FailIndex", "Ignore", "Count"},
    ("failurePolicy", "rules", "action"): {
        "FailJobSet",
        "RestartJobSet",
        "RestartJobSetAndIgnoreMaxRestarts",
        "RestartJob",
        "RestartJobAndIgnoreMaxRestarts",
    },
    ("rules", "onJobFailureReasons"): {
        "BackoffLimitExceeded",
        "DeadlineExceeded",
        "FailedIndexes",
        "MaxFailedIndexesExceeded",
        "PodFailurePolicy",
    },
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


def known_values(documents: list[Manifest]) -> Iterator[str]:
    """An enumeration takes one of its words; in the schema it is any text."""
    for document in documents:
        for path, value in _leaves(document, ()):
            for keys, allowed in ENUMERATIONS.items():
                if path[-len(keys) :] == keys and value not in allowed:
                    yield f"{'.'.join(path)} is {value}, allowed is {', '.join(sorted(allowed))}"


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, (*path, str(key)))
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, path)
    else:
        yield path, value
