"""Claims about the variants with several processes: each finds its place and has its share."""

from pathlib import Path
from typing import Final

import pytest
import yaml

import k8s_rules
from job.data.spec import FASHION_MNIST
from job.data.split import Share
from job.settings import Settings, load
from job.world import Node, locate
from job.world.patience import Limits
from k8s_environment import environment
from k8s_manifests import (
    ROOT,
    Manifest,
    documents_of,
    job_specs,
    only,
    path_of,
    pod_specs,
    read,
    render,
)

GPUS: Final = 8
OWNERS: Final = {
    "multi-gpu": "Job",
    "multi-node": "Job",
    "jobset": "JobSet",
    "trainjob": "TrainJob",
}
MASTERS: Final = {
    "multi-node": "fashion-mnist-0.fashion-mnist",
    "jobset": "fashion-mnist-node-0-0.fashion-mnist",
    "trainjob": "fashion-mnist-node-0-0.fashion-mnist",
}
# What the Job controller waits before it replaces a pod, and twice as long after each failure.
FIRST_DELAY_SECONDS: Final = 10


def _pod(variant: str) -> Manifest:
    (spec,) = pod_specs(documents_of(variant))
    return spec


def _container(variant: str) -> Manifest:
    (container,) = _pod(variant)["containers"]
    return dict(container)


def _job(variant: str) -> Manifest:
    (job,) = job_specs(documents_of(variant))
    return job


def _shared_memory(variant: str) -> str:
    (size,) = (v["emptyDir"]["sizeLimit"] for v in _pod(variant)["volumes"] if v["name"] == "shm")
    return str(size)


def _told(variant: str, index: int) -> dict[str, str]:
    """The environment of the pod with this index."""
    documents = documents_of(variant)
    owner = only(documents, OWNERS[variant])
    told = environment(documents, owner, _container(variant))
    told |= _by_trainer(owner, index) if variant == "trainjob" else {}
    return told | {"JOB_COMPLETION_INDEX": str(index)} if variant in MASTERS else told


def _by_trainer(train_job: Manifest, index: int) -> dict[str, str]:
    """What the torch plugin of Kubeflow Trainer adds."""
    name = train_job["metadata"]["name"]
    return {
        "PET_NNODES": str(train_job["spec"]["trainer"]["numNodes"]),
        "PET_NPROC_PER_NODE": "auto",
        "PET_NODE_RANK": str(index),
        "PET_MASTER_ADDR": f"{name}-node-0-0.{name}",
        "PET_MASTER_PORT": "29500",
    }


def _located(monkeypatch: pytest.MonkeyPatch, told: dict[str, str]) -> Node:
    """Where the job sees itself in this environment."""
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = locate(told, load(Settings, [], "job"))
    assert isinstance(found, Node)
    return found


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("variant", MASTERS)
def test_pod_is_the_node_of_its_index(
    monkeypatch: pytest.MonkeyPatch, variant: str, index: int
) -> None:
    """It knows how many there are and where rank 0 is, and counts its processes by its GPUs."""
    node = _located(monkeypatch, _told(variant, index))

    assert (node.rank, node.count, node.processes) == (index, 2, None)
    assert (node.master_address, node.master_port) == (MASTERS[variant], 29_500)


def test_pod_with_all_gpus_of_a_node_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes meet on the node, at a port that the launcher finds free."""
    node = _located(monkeypatch, _told("multi-gpu", 0))

    assert (node.rank, node.count, node.processes, node.master_port) == (0, 1, None, None)


def test_named_run_meets_at_its_own_name(tmp_path: Path) -> None:
    """A nameSuffix, which gives each run a volume of its own, reaches the Service and its pods."""
    (tmp_path / "k8s").symlink_to(ROOT / "k8s")
    kustomization = {"resources": [path_of("multi-node")], "nameSuffix": "-seed-7"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    documents = read(render(tmp_path))
    job = only(documents, "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    told = environment(documents, job, container)

    assert told["JOB_MASTER_ADDRESS"] == "fashion-mnist-seed-7-0.fashion-mnist-seed-7"
    assert k8s_rules.faults(documents) == {}


def test_port_of_rank_0_is_the_one_of_the_service() -> None:
    """The Service says what the settings say."""
    (port,) = only(documents_of("multi-node"), "Service")["spec"]["ports"]

    assert _told("multi-node", 0)["JOB_MASTER_PORT"] == str(port["port"])


@pytest.mark.parametrize("variant", OWNERS)
def test_each_gpu_has_the_share_of_a_job_on_one(variant: str) -> None:
    """Cores, memory and shared memory grow with the GPUs; each process has its own threads."""
    one, several = (_container(each)["resources"] for each in ("train-job", variant))
    assert several["limits"]["nvidia.com/gpu"] == GPUS * one["limits"]["nvidia.com/gpu"]
    cores = int(several["requests"]["cpu"])

    assert cores == GPUS * int(one["requests"]["cpu"])
    assert cores == GPUS * int(_told(variant, 0)["OMP_NUM_THREADS"])
    for seen, wanted in (
        (several["requests"]["memory"], one["requests"]["memory"]),
        (several["limits"]["memory"], one["limits"]["memory"]),
        (_shared_memory(variant), _shared_memory("train-job")),
    ):
        assert int(seen.removesuffix("Gi")) == GPUS * int(wanted.removesuffix("Gi"))


@pytest.mark.parametrize("variant", OWNERS)
def test_batch_can_be_divided_among_the_ranks(
    monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The job would refuse it at the start, and fail for good."""
    node = _located(monkeypatch, _told(variant, 0))
    images, batch_size = FASHION_MNIST.train_images.shape[0], load(Settings, [], "job").batch_size

    assert Share(rank=0, size=GPUS * node.count).fits(images, batch_size)


@pytest.mark.parametrize("variant", ["jobset", "trainjob"])
def test_pods_of_a_set_are_those_of_the_indexed_job(variant: str) -> None:
    """They differ in the container's name and in how they learn where rank 0 is."""
    pods = [_pod(each) for each in ("multi-node", variant)]
    for pod in pods:
        pod.pop("subdomain", None)  # JobSet sets it
        (container,) = pod["containers"]
        container["name"] = "train"
        container["env"] = [each for each in container["env"] if each["name"] == "OMP_NUM_THREADS"]

    for pod in pods:
        pod["volumes"].sort(key=lambda volume: volume["name"])
    assert pods[0] == pods[1]


@pytest.mark.parametrize(
    ("variant", "kind", "model"),
    [
        ("jobset", "ConfigMap", "multi-node"),
        ("jobset", "PersistentVolumeClaim", "multi-node"),
        ("trainjob", "ConfigMap", "train-job"),
        ("trainjob", "PersistentVolumeClaim", "multi-node"),
    ],
)
def test_settings_and_volume_of_a_set_are_those_of_its_model(
    variant: str, kind: str, model: str
) -> None:
    """What a complete file repeats is what it repeats."""
    assert only(documents_of(variant), kind) == only(documents_of(model), kind)


def test_set_of_the_runtime_is_the_jobset() -> None:
    """Trainer makes of the runtime what jobset.yaml is, by its own names."""
    job_set = only(documents_of("jobset"), "JobSet")["spec"]
    made = only(documents_of("trainjob"), "TrainingRuntime")["spec"]["template"]["spec"]

    assert made["network"] == job_set["network"]
    assert made["failurePolicy"] == job_set["failurePolicy"]
    assert _job("trainjob").keys() | {"completions", "parallelism"} == _job("jobset").keys()


def test_every_pod_may_fail_as_often_as_the_one_of_a_job() -> None:
    """Whatever happens to one pod ends all of them, and counts once for each."""
    assert _job("multi-node")["backoffLimitPerIndex"] == _job("train-job")["backoffLimit"]


def test_pods_wait_for_each_other_longer_than_a_replacement_takes() -> None:
    """A pod that is replaced at once does not give up before the last one is there."""
    limit = _job("multi-node")["backoffLimitPerIndex"]

    assert FIRST_DELAY_SECONDS * 2 ** (limit - 1) < Limits().rendezvous / 2
