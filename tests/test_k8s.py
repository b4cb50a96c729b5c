"""Claims about `k8s/`: what kubectl sends is valid, by the schemas and by the rules beside them.

No cluster is asked. A fixture is a patch that breaks `train-job.yaml`; its folder is named after
what must catch it.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

import k8s_rules
from k8s_manifests import BASE, FOLDER, OVERLAYS, READER, TRAIN_JOB, overlay, read, render

BROKEN: Final = Path(__file__).parent / "fixtures" / "k8s"
BROKEN_SCHEMA: Final = sorted(BROKEN.glob("schema/*"))
BROKEN_RULES: Final = sorted(set(BROKEN.glob("*/*")) - set(BROKEN_SCHEMA))
# podFailurePolicy is stable since the first, ResourceClaimTemplate since the second.
OLDEST: Final = "1.31"
OLDEST_WITH_CLAIMS: Final = "1.34"
NEWEST: Final = "1.37"
# yamllint's own defaults, with lines as long as the code's.
STYLE: Final = "{extends: default, rules: {line-length: {max: 100}}}"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file for each variant, as it would be sent; `train-job` and `read-results` among them."""
    folder = tmp_path_factory.mktemp("rendered")
    for name in OVERLAYS:
        (folder / name).write_text(yaml.safe_dump_all(overlay(name)))
    return {path.stem: path for path in (TRAIN_JOB, READER, *folder.iterdir())}


def _program(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _validate(version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return _program("kubernetes-validate", "--strict", "-k", version, *files)


def _broken(patch: Path, folder: Path) -> Path:
    """A file with what `train-job.yaml` is after the patch."""
    kustomization = {
        "resources": [os.path.relpath(BASE, folder)],
        "patches": [{"patch": patch.read_text(), "target": {"kind": "Job"}}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (folder / "broken.yaml").write_text(render(folder))
    return folder / "broken.yaml"


def test_base_of_the_overlays_is_the_file_that_people_read() -> None:
    """A copy, for kustomize reads nothing above its folder: cp k8s/train-job.yaml k8s/base/."""
    assert (BASE / "train-job.yaml").read_bytes() == TRAIN_JOB.read_bytes()


def test_base_adds_nothing_to_that_file() -> None:
    """What `apply -f` sends is what the overlays build on."""
    assert read(render(BASE)) == read(TRAIN_JOB.read_text())


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_field_exists_and_has_its_type(rendered: dict[str, Path], version: str) -> None:
    """By Kubernetes' own schemas, of the oldest version that is promised and of a new one."""
    without_claims = [path for name, path in rendered.items() if name != "dra"]
    done = _validate(version, *without_claims)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("passed") == sum(
        len(read(path.read_text())) for path in without_claims
    )


@pytest.mark.parametrize("version", [OLDEST_WITH_CLAIMS, NEWEST])
def test_claims_exist_and_have_their_types(rendered: dict[str, Path], version: str) -> None:
    """Dynamic Resource Allocation has its stable form since 1.34."""
    assert _validate(version, rendered["dra"]).returncode == 0


@pytest.mark.parametrize("name", ["train-job", "read-results", *OVERLAYS])
def test_variant_breaks_no_rule(rendered: dict[str, Path], name: str) -> None:
    """What the API server rejects and the schema does not, and what this house wants."""
    assert k8s_rules.faults(read(rendered[name].read_text())) == {}


@pytest.mark.parametrize("patch", BROKEN_SCHEMA, ids=lambda path: path.stem)
def test_schema_catches_the_broken_manifest(tmp_path: Path, patch: Path) -> None:
    """A field that is misspelt, missing or of another type does not pass."""
    assert _validate(OLDEST, _broken(patch, tmp_path)).returncode == 1


@pytest.mark.parametrize("patch", BROKEN_RULES, ids=lambda path: path.stem)
def test_rule_catches_the_broken_manifest(tmp_path: Path, patch: Path) -> None:
    """Each rule sees its fault, and no other rule takes it for one of its own."""
    documents = read(_broken(patch, tmp_path).read_text())

    assert list(k8s_rules.faults(documents)) == [patch.parent.name]


def test_every_rule_has_a_broken_manifest() -> None:
    """No rule is there that nothing has been seen to break."""
    caught = {patch.parent.name for patch in BROKEN_RULES}

    assert caught == {rule.__name__ for rule in k8s_rules.RULES}


@pytest.mark.parametrize("folder", [FOLDER, BROKEN], ids=["manifests", "fixtures"])
def test_yaml_is_well_formed(folder: Path) -> None:
    """No key stands twice, and the indentation is what it seems."""
    done = _program("yamllint", "--strict", "-d", STYLE, folder)

    assert done.stdout + done.stderr == ""
