"""Claims about `k8s/`: one fact that is written in several places is the same in all of them."""

import re
from pathlib import PurePosixPath
from typing import Final

import pytest
import yaml

from job import __version__, explain
from job.commands import COMMANDS
from job.errors import POLICIES
from job.preflight.volume import AMPLE_BYTES, LEAST_SHARED_BYTES
from job.settings import Settings, load
from job.sweep import this_point
from job.sweep.points import parse, points
from job.world import placement
from k8s_manifests import (
    ROOT,
    VARIANTS,
    Manifest,
    as_pod,
    documents_of,
    job_specs,
    only,
    path_of,
    pod_specs,
)

HOPELESS: Final = {
    int(code): policy.meaning for code, policy in POLICIES.items() if policy.kubernetes == "FailJob"
}
TRAINING: Final = tuple(variant for variant in VARIANTS if variant != "read-results")
JUDGING: Final = ("train-job", "jobset", "trainjob", "sweep-job")
# Of them, those that are one point's; its neighbours may do better.
OF_A_POINT: Final = {80, 81, 83}
UNITS: Final = {"Mi": 2**20, "Gi": 2**30}


def _pod(variant: str = "train-job") -> Manifest:
    (spec,) = pod_specs(documents_of(variant))
    return spec


def _container(variant: str = "train-job") -> Manifest:
    (container,) = _pod(variant)["containers"]
    return dict(container)


def _mounts(variant: str = "train-job") -> dict[str, Manifest]:
    """The volume of the pod at each path of the container."""
    volumes = {volume["name"]: volume for volume in _pod(variant)["volumes"]}
    return {
        each["mountPath"]: volumes[each["name"]] for each in _container(variant)["volumeMounts"]
    }


def _settings(variant: str) -> dict[str, str]:
    """The ConfigMap that becomes the environment."""
    (source,) = _container(variant)["envFrom"]
    maps = {each["metadata"]["name"]: each for each in documents_of(variant)}
    return dict(maps[source["configMapRef"]["name"]]["data"])


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def _dockerfile(instruction: str) -> list[str]:
    """The arguments of an instruction, wherever it stands."""
    text = (ROOT / "Dockerfile").read_text()
    return re.findall(rf"^{instruction} +(.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("variant", [each for each in TRAINING if each != "sweep-job"])
def test_codes_that_fail_the_job_are_those_of_the_table(variant: str) -> None:
    """`job.errors` says which endings no further attempt can mend."""
    (job,) = job_specs(documents_of(variant))
    first, *others = job["podFailurePolicy"]["rules"]

    assert first["action"] == "FailJob"
    assert first["onExitCodes"]["values"] == list(HOPELESS)
    assert [rule["action"] for rule in others] == ["Ignore"] * (variant not in JUDGING[1:])


def test_codes_that_fail_a_sweep_are_those_that_every_point_would_have() -> None:
    """What is wrong with one point fails its index; together they are those of the table."""
    (job,) = job_specs(documents_of("sweep-job"))
    rules = job["podFailurePolicy"]["rules"]
    codes = [set(rule["onExitCodes"]["values"]) for rule in rules[:2]]

    assert [rule["action"] for rule in rules] == ["FailJob", "FailIndex", "Ignore"]
    assert codes == [HOPELESS.keys() - OF_A_POINT, OF_A_POINT]


@pytest.mark.parametrize("variant", JUDGING)
def test_exit_codes_are_commented_with_their_meaning(variant: str) -> None:
    """The comment beside a code is the sentence of the table."""
    commented = re.findall(r"- (\d+)  # (.+)", (ROOT / path_of(variant)).read_text())

    assert [(int(code), meaning) for code, meaning in commented] == list(HOPELESS.items())


@pytest.mark.parametrize("variant", TRAINING)
def test_settings_are_taken_by_the_job(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    """The job starts under the ConfigMap as it stands, and never trains on another device."""
    data = _settings(variant)
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = load(Settings, [], "job")

    assert settings.device == ("cpu" if variant == "cpu" else "cuda")
    assert {name for name, origin in settings.origins.items() if origin == "environment"} == {
        name.removeprefix("JOB_").lower() for name in data
    }


@pytest.mark.parametrize(
    ("variant", "device"),
    [
        ("train-job", {"nvidia.com/gpu": 1}),
        ("sweep-job", {"nvidia.com/gpu": 1}),
        ("kueue", {"nvidia.com/gpu": 1}),
        ("multi-gpu", {"nvidia.com/gpu": 8}),
        ("multi-node", {"nvidia.com/gpu": 8}),
        ("jobset", {"nvidia.com/gpu": 8}),
        ("trainjob", {"nvidia.com/gpu": 8}),
        ("mig", {"nvidia.com/mig-1g.10gb": 1}),
        ("cpu", {}),
        ("dra", {}),
    ],
)
def test_variant_asks_for_its_device_and_no_other(variant: str, device: dict[str, int]) -> None:
    """A pod that asks for two kinds of GPU waits for both."""
    resources = _container(variant)["resources"]
    limits = {name: count for name, count in resources["limits"].items() if "/" in name}

    assert limits == device
    assert ("claims" in resources) == (variant == "dra")


def test_job_on_the_cpu_hides_the_gpus_of_its_node() -> None:
    """Nothing is left of the GPU: no toleration of its taint, no devices by the image's `all`."""
    environment = {each["name"]: each.get("value") for each in _container("cpu")["env"]}

    assert "tolerations" not in _pod("cpu")
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_queued_job_is_the_same_job_suspended() -> None:
    """Kueue decides when it starts, and nothing else."""
    job, queued = (only(documents_of(name), "Job") for name in ("train-job", "kueue"))

    assert queued["spec"].pop("suspend") is True
    assert queued["metadata"]["labels"].pop("kueue.x-k8s.io/queue-name")
    assert queued == job


@pytest.mark.parametrize("variant", VARIANTS)
def test_version_is_the_one_of_the_package(variant: str) -> None:
    """Image and labels name the version that is checked out, as `explain` does."""
    labels = re.findall(r"app\.kubernetes\.io/version: (.+)", yaml.safe_dump(documents_of(variant)))

    assert _container(variant)["image"] == explain.IMAGE
    assert set(labels) == {__version__}


@pytest.mark.parametrize("variant", ["train-job", "read-results"])
def test_user_is_the_one_of_the_image(variant: str) -> None:
    """What the image has made readable and writable is so for the pod."""
    context = _pod(variant)["securityContext"]

    assert _dockerfile("USER")[-1] == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_entrypoint_is_the_one_of_the_image() -> None:
    """The manifest names no command, so that signals reach the job and not a shell."""
    assert "command" not in _container()
    assert "args" not in _container()
    assert _dockerfile("ENTRYPOINT")[-1] == '["/entrypoint.sh"]'


@pytest.mark.parametrize("variant", TRAINING)
def test_probe_asks_the_heartbeat_of_its_own_pod(variant: str) -> None:
    """By a command of the job, in a file that no other pod has and no volume can hang."""
    container = _container(variant)
    python, *command = container["livenessProbe"]["exec"]["command"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    heartbeat = PurePosixPath(environment["JOB_HEARTBEAT_FILE"])

    assert f"set -- {python} -m job" in (ROOT / "entrypoint.sh").read_text()
    assert command == ["-m", "job", "health"]
    assert "health" in COMMANDS
    assert "heartbeat_file" in Settings.model_fields
    assert "emptyDir" in _mounts(variant)[str(heartbeat.parent)]


@pytest.mark.parametrize("variant", TRAINING)
def test_probe_gives_the_job_time_to_begin(variant: str) -> None:
    """No heartbeat is there until torch is imported and a lost node's lease has run out."""
    probe = _container(variant)["livenessProbe"]
    patience = probe["initialDelaySeconds"] + probe["periodSeconds"] * (
        probe["failureThreshold"] - 1
    )

    assert patience > 60 + Settings.model_fields["lease_seconds"].default
    assert probe["timeoutSeconds"] < probe["periodSeconds"]


def test_offline_job_has_the_dataset_in_its_image() -> None:
    """The pod fetches nothing, so the image must bring it."""
    assert only(documents_of("train-job"), "ConfigMap")["data"]["JOB_DATA_OFFLINE"] == "true"
    assert "dataset-fashion-mnist" in (ROOT / "Dockerfile").read_text()


def test_explained_settings_are_those_of_the_manifest() -> None:
    """The line of `explain` replaces the ConfigMap, so it has to know what is in it."""
    data = only(documents_of("train-job"), "ConfigMap")["data"]

    assert {f"{name}={value}" for name, value in data.items()} == set(
        explain.MANIFEST_SETTINGS.values()
    )


def test_results_go_to_the_volume_that_stays() -> None:
    """The claim is mounted where the entrypoint puts results, and where the reader looks."""
    claim = {"claimName": "fashion-mnist-output"}

    assert _mounts()["/output"]["persistentVolumeClaim"] == claim
    assert _mounts("read-results")["/output"]["persistentVolumeClaim"] == claim
    assert "/output" in (ROOT / "entrypoint.sh").read_text()


def test_volumes_are_as_large_as_preflight_wants() -> None:
    """A fresh pod does not begin with a warning."""
    claim = only(documents_of("train-job"), "PersistentVolumeClaim")["spec"]["resources"][
        "requests"
    ]

    assert _bytes(claim["storage"]) >= AMPLE_BYTES
    assert _bytes(_mounts()["/dev/shm"]["emptyDir"]["sizeLimit"]) >= LEAST_SHARED_BYTES  # noqa: S108


def test_home_of_the_image_is_writable() -> None:
    """All else is read-only, and caches want a home."""
    (home,) = re.findall(r"\bHOME=(\S+)", (ROOT / "Dockerfile").read_text())

    assert "emptyDir" in _mounts()[home]


def test_pod_in_place_of_the_job_is_the_pod_of_the_job() -> None:
    """What an engine without Jobs runs is what the Job would run."""
    documents = documents_of("cpu")
    pod = only(as_pod(documents), "Pod")

    assert pod["spec"] == only(documents, "Job")["spec"]["template"]["spec"]
    assert [each["kind"] for each in as_pod(documents)] == [
        each["kind"].replace("Job", "Pod") for each in documents
    ]


def test_sweep_is_the_job_once_for_each_point() -> None:
    """Pods differ in the file of the points only; settings, limits and probes are the same."""
    one, sweep = _pod("train-job"), _pod("sweep-job")
    sweep["volumes"] = [each for each in sweep["volumes"] if each["name"] != "sweep"]
    (container,) = sweep["containers"]
    mounts = container["volumeMounts"]
    container["volumeMounts"] = [each for each in mounts if each["name"] != "sweep"]

    assert sweep == one
    shared = _settings("train-job")
    assert _settings("sweep-job") == shared | {"JOB_SWEEP": "/sweep/sweep.toml"}


def test_points_of_the_manifest_are_those_of_the_example() -> None:
    """What is tried on one machine is what runs on the cluster."""
    (text,) = (
        each["data"]["sweep.toml"]
        for each in documents_of("sweep-job")
        if each["metadata"]["name"] == "fashion-mnist-sweep"
    )
    assert parse(text) == points(ROOT / "sweeps" / "learning-rate.toml")


@pytest.mark.parametrize("index", [0, 8])
def test_pod_of_a_sweep_trains_the_point_of_its_index(
    monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    """In the environment that it finds, it is alone, and in the folder of its point."""
    for name, value in _settings("sweep-job").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JOB_SWEEP", str(ROOT / "sweeps" / "learning-rate.toml"))
    monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
    point = this_point(load(Settings, [], "job"), [], "job")

    assert point is not None
    assert point.output_dir.name.startswith(f"{index:04}-")
    assert placement({"JOB_COMPLETION_INDEX": str(index)}, point).size == 1
