"""The pods of `k8s/` as a node runs them: `podman kube play`, which knows no Jobs, with the image.

The manifests are those that kubectl would send, but for the number of epochs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from engine import Engine, wait_until
from job.errors import ExitCode
from k8s_manifests import Manifest, as_pod, documents_of, only

pytest_plugins = ["image_fixtures"]
pytestmark = pytest.mark.timeout(1800)

POD: Final = "fashion-mnist"
CONTAINER: Final = f"{POD}-train"
READER_POD: Final = "fashion-mnist-results"
READER: Final = f"{READER_POD}-read"
VOLUME: Final = "fashion-mnist-output"
USER: Final = 10001
# Long enough to be interrupted after the first checkpoint.
SHORT: Final = {"JOB_EPOCHS": "5", "JOB_CHECKPOINT_EVERY_SECONDS": "1"}


def pod_of_the_cpu_variant() -> list[Manifest]:
    """The pod that the Job makes, its settings and its volume."""
    documents = as_pod(documents_of("cpu"))
    only(documents, "ConfigMap")["data"].update(SHORT)
    return documents


def without_the_claim(documents: list[Manifest]) -> list[Manifest]:
    """The same for a volume that is there already, which podman would refuse to make again."""
    return [each for each in documents if each["kind"] != "PersistentVolumeClaim"]


def play(podman: Engine, documents: list[Manifest], folder: Path) -> None:
    """Start the pod of the documents, which are written into `folder`."""
    path = folder / "pod.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    podman.checked("kube", "play", "--network=none", path)


def exit_code(podman: Engine) -> int:
    """Wait for the end of the pod, return its exit code, and remove it; the volume stays."""
    code = int(podman.checked("wait", CONTAINER))
    podman.checked("pod", "rm", "--force", "--time=0", POD)
    return code


def volume_of(podman: Engine) -> Path:
    """Where the host has what the pods see as their volume."""
    return Path(podman.checked("volume", "inspect", "--format={{.Mountpoint}}", VOLUME))


def clear(podman: Engine) -> None:
    """Remove pods and volume, whichever there are."""
    for pod in (POD, READER_POD):
        podman("pod", "rm", "--force", "--time=0", pod)
    podman("volume", "rm", "--force", VOLUME)


@pytest.fixture
def cleared(podman: Engine) -> Iterator[Engine]:
    """A podman without pods and volume, before the test and after it."""
    clear(podman)
    yield podman
    clear(podman)


@pytest.fixture(scope="module")
def results(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pod that nothing happened to has left, as the reader gives it out."""
    folder = tmp_path_factory.mktemp("results")
    clear(podman)
    play(podman, pod_of_the_cpu_variant(), folder)
    assert exit_code(podman) == ExitCode.FINISHED
    play(podman, documents_of("read-results"), folder)
    podman.checked("cp", f"{READER}:/output", folder)
    clear(podman)
    return folder / "output"


def test_pod_of_the_cpu_variant_trains_on_the_data_of_its_image(results: Path) -> None:
    """Under the restrictions of the manifest, as its user, with the threads of its request."""
    record = json.loads((results / "metrics.json").read_text())

    assert record["settings"]["device"]["value"] == "cpu"
    assert record["evaluation"]["images"] == 10_000
    assert record["evaluation"]["accuracy"] > 0.4


def test_stopped_pod_goes_on_to_the_weights_of_one_that_was_not(
    cleared: Engine, tmp_path: Path, results: Path
) -> None:
    """SIGTERM reaches the job: 75, and the next pod ends as if nothing had happened."""
    documents = pod_of_the_cpu_variant()
    play(cleared, documents, tmp_path)
    volume = volume_of(cleared)
    wait_until("a checkpoint", lambda: any(volume.glob("checkpoints/*/manifest.json")))
    cleared.checked("stop", "--time=30", CONTAINER)
    assert exit_code(cleared) == ExitCode.INTERRUPTED

    play(cleared, without_the_claim(documents), tmp_path)
    assert exit_code(cleared) == ExitCode.FINISHED

    weights = [folder / "model.safetensors" for folder in (volume, results)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert {path.stat().st_uid for path in volume.rglob("*")} == {USER}


def test_reader_has_what_kubectl_cp_calls_and_changes_nothing(
    cleared: Engine, tmp_path: Path
) -> None:
    """`kubectl cp` runs `tar` in the pod, whose volume is mounted for reading."""
    cleared.checked("volume", "create", VOLUME)
    play(cleared, documents_of("read-results"), tmp_path)

    cleared.checked("exec", READER, "tar", "--create", "--file=/dev/null", "/output")
    assert cleared("exec", READER, "touch", "/output/new").returncode != 0
