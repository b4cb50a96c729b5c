"""Claims about `k8s/`: one fact that is written in several places is the same in all of them."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest
import yaml

import k8s_rules
from job import __version__, explain
from job.errors import POLICIES
from job.preflight.volume import AMPLE_BYTES, LEAST_SHARED_BYTES
from job.settings import Settings, load
from k8s_manifests import (
    FOLDER,
    OVERLAYS,
    READER,
    ROOT,
    TRAIN_JOB,
    Manifest,
    as_pod,
    only,
    overlay,
    pod_specs,
    read,
    render,
)

HOPELESS: Final = {
    int(code): policy.meaning for code, policy in POLICIES.items() if policy.kubernetes == "FailJob"
}
VARIANTS: Final = ("train-job", *OVERLAYS)
PAGE: Final = ROOT / "docs" / "kubernetes.md"
SNIPPET: Final = "```yaml\n"
UNITS: Final = {"Mi": 2**20, "Gi": 2**30}


def _documents(variant: str) -> list[Manifest]:
    if variant in OVERLAYS:
        return overlay(variant)
    return read((TRAIN_JOB if variant == "train-job" else READER).read_text())


def _pod(variant: str = "train-job") -> Manifest:
    (spec,) = pod_specs(_documents(variant))
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


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def _dockerfile(instruction: str) -> list[str]:
    """The arguments of an instruction, wherever it stands."""
    text = (ROOT / "Dockerfile").read_text()
    return re.findall(rf"^{instruction} +(.+)$", text, re.MULTILINE)


def test_codes_that_fail_the_job_are_those_of_the_table() -> None:
    """`job.errors` says which endings no further attempt can mend."""
    policy = only(_documents("train-job"), "Job")["spec"]["podFailurePolicy"]
    actions = [rule["action"] for rule in policy["rules"]]

    assert actions == ["FailJob", "Ignore"]
    assert policy["rules"][0]["onExitCodes"]["values"] == list(HOPELESS)


def test_exit_codes_are_commented_with_their_meaning() -> None:
    """The comment beside a code is the sentence of the table."""
    commented = re.findall(r"- (\d+)  # (.+)", TRAIN_JOB.read_text())

    assert [(int(code), meaning) for code, meaning in commented] == list(HOPELESS.items())


@pytest.mark.parametrize("variant", VARIANTS)
def test_settings_are_taken_by_the_job(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    """The job starts under the ConfigMap as it stands, and never trains on another device."""
    data = only(_documents(variant), "ConfigMap")["data"]
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
        ("kueue", {"nvidia.com/gpu": 1}),
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
    job, queued = (only(_documents(name), "Job") for name in ("train-job", "kueue"))

    assert queued["spec"].pop("suspend") is True
    assert queued["metadata"]["labels"].pop("kueue.x-k8s.io/queue-name")
    assert queued == job


@pytest.mark.parametrize("variant", [*VARIANTS, "read-results"])
def test_version_is_the_one_of_the_package(variant: str) -> None:
    """Image and labels name the version that is checked out, as `explain` does."""
    labels = re.findall(r"app\.kubernetes\.io/version: (.+)", yaml.safe_dump(_documents(variant)))

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


def test_offline_job_has_the_dataset_in_its_image() -> None:
    """The pod fetches nothing, so the image must bring it."""
    assert only(_documents("train-job"), "ConfigMap")["data"]["JOB_DATA_OFFLINE"] == "true"
    assert "dataset-fashion-mnist" in (ROOT / "Dockerfile").read_text()


def test_explained_settings_are_those_of_the_manifest() -> None:
    """The line of `explain` replaces the ConfigMap, so it has to know what is in it."""
    data = only(_documents("train-job"), "ConfigMap")["data"]

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
    claim = only(_documents("train-job"), "PersistentVolumeClaim")["spec"]["resources"]["requests"]

    assert _bytes(claim["storage"]) >= AMPLE_BYTES
    assert _bytes(_mounts()["/dev/shm"]["emptyDir"]["sizeLimit"]) >= LEAST_SHARED_BYTES  # noqa: S108


def test_home_of_the_image_is_writable() -> None:
    """All else is read-only, and caches want a home."""
    (home,) = re.findall(r"\bHOME=(\S+)", (ROOT / "Dockerfile").read_text())

    assert "emptyDir" in _mounts()[home]


@pytest.mark.parametrize(
    "key",
    [
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "terminationGracePeriodSeconds",
    ],
)
def test_page_states_the_numbers_of_the_manifest(key: str) -> None:
    """Who reads only the page knows how long and how often."""
    job = only(_documents("train-job"), "Job")["spec"]
    value = (job | job["template"]["spec"])[key]

    assert f"`{key}: {value}`" in PAGE.read_text()


def test_page_leads_from_every_failure_to_its_cause() -> None:
    """Each code but success has its place in the table."""
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(), re.MULTILINE)
    explained = {int(code) for row in rows for code in row.split(",")}
    *first, last = map(str, HOPELESS)

    assert {int(code) for code in POLICIES} - explained == {0}
    assert f"at once on {', '.join(first)} and {last}" in PAGE.read_text()


def test_page_names_manifests_that_exist() -> None:
    """Each path can be typed, and each variant is spoken of."""
    named = set(re.findall(r"-[fk] (k8s/[\w./-]+)", PAGE.read_text()))

    assert [path for path in named if not (ROOT / path).exists()] == []
    assert {f"k8s/overlays/{name}" for name in OVERLAYS} <= named


@pytest.mark.parametrize("snippet", range(PAGE.read_text().count(SNIPPET)))
def test_kustomization_of_the_page_renders_and_breaks_no_rule(tmp_path: Path, snippet: int) -> None:
    """What is copied from the page, into a folder beside `k8s/`, works."""
    text = PAGE.read_text().split(SNIPPET)[snippet + 1].partition("```")[0]
    shutil.copytree(FOLDER, tmp_path / "k8s")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "kustomization.yaml").write_text(text)
    documents = read(render(tmp_path / "ours"))

    assert k8s_rules.faults(documents) == {}
    assert documents != _documents("train-job")


def test_pod_in_place_of_the_job_is_the_pod_of_the_job() -> None:
    """What an engine without Jobs runs is what the Job would run."""
    documents = _documents("cpu")
    pod = only(as_pod(documents), "Pod")

    assert pod["spec"] == only(documents, "Job")["spec"]["template"]["spec"]
    assert [each["kind"] for each in as_pod(documents)] == [
        each["kind"].replace("Job", "Pod") for each in documents
    ]
