"""What a pod must keep to so that its end loses nothing: time to save, a volume, a last word.

The rules are like those of `k8s_rules`. A pod without a Job, such as the reader, has nothing to
save and nothing to say.
"""

from collections.abc import Iterator
from typing import Final

from job.launch.launcher import GRACE_SECONDS
from k8s_manifests import Manifest, job_specs, pod_specs

# What a rank has after the launcher's grace, to write its checkpoint on a slow volume.
SAVE_SECONDS: Final = 60
LAST_WORD: Final = "FallbackToLogsOnError"


def time_to_save(documents: list[Manifest]) -> Iterator[str]:
    """The grace of a pod outlasts the launcher's, and a save after it."""
    least = GRACE_SECONDS + SAVE_SECONDS
    for job in job_specs(documents):
        told = job["template"]["spec"].get("terminationGracePeriodSeconds")
        if told is None or told < least:
            yield f"terminationGracePeriodSeconds is {told}, and a save may take {least:g}"


def last_words(documents: list[Manifest]) -> Iterator[str]:
    """A job that was killed leaves the end of its log as its message."""
    for job in job_specs(documents):
        for container in job["template"]["spec"]["containers"]:
            told = container.get("terminationMessagePolicy", "File")
            # Another word would be for `known_values` to see.
            if told == "File":
                yield f"terminationMessagePolicy is {told}, wanted is {LAST_WORD}"


def writable_volumes(documents: list[Manifest]) -> Iterator[str]:
    """A volume that comes as root's is given to a group of the pod, once and not at each start."""
    for spec in pod_specs(documents):
        context = spec["securityContext"]
        # OpenShift gives each namespace a user and a group of its own.
        if "fsGroup" not in context and "runAsUser" in context:
            yield "no fsGroup, and the volume is root's"
        if context.get("fsGroupChangePolicy", "Always") == "Always":
            yield "each start gives every file of the volume to the group anew"


POD_RULES: Final = (time_to_save, last_words, writable_volumes)
