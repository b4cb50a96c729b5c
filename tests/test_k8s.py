"""Claims about `k8s/`: what kubectl sends is valid, by the schemas and by the rules beside them.

No cluster is asked. A fixture is a patch that breaks a variant; its folders are named after the
variant and after what must catch it.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml
from pydantic import ValidationError

import k8s_rules
import k8s_schemas
from k8s_manifests import (
    BASE,
    FOLDER,
    TRAIN_JOB,
    VARIANTS,
    Manifest,
    documents_of,
    path_of,
    read,
    render,
)

BROKEN: Final = Path(__file__).parent / "fixtures" / "k8s"
BROKEN_SCHEMA: Final = sorted(BROKEN.glob("*/schema/*"))
BROKEN_RULES: Final = sorted(set(BROKEN.glob("*/*/*")) - set(BROKEN_SCHEMA))
# podFailurePolicy is stable since the first, ResourceClaimTemplate since the second.
OLDEST: Final = "1.31"
OLDEST_WITH_CLAIMS: Final = "1.34"
NEWEST: Final = "1.37"
# yamllint's own defaults, with lines as long as the code's.
STYLE: Final = (
    "{extends: default, rules: "
    "{line-length: {max: 100, allow-non-breakable-inline-mappings: true}}}"
)


def _broken(patch: Path, folder: Path) -> list[Manifest]:
    """What a variant is after the patch."""
    variant = patch.parts[-3]
    shutil.copytree(FOLDER, folder / "k8s")
    kustomization = {"resources": [path_of(variant)], "patches": read(patch.read_text())}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return read(render(folder))


def _is_valid(documents: list[Manifest], folder: Path) -> bool:
    try:
        is_known = k8s_schemas.known(documents) == k8s_schemas.modelled(documents)
    except ValidationError:
        return False
    return is_known and k8s_schemas.validate(OLDEST, documents, folder).returncode == 0


def _name(patch: Path) -> str:
    return f"{patch.parts[-3]}-{patch.stem}"


def test_base_of_the_overlays_is_the_file_that_people_read() -> None:
    """A copy, for kustomize reads nothing above its folder: cp k8s/train-job.yaml k8s/base/."""
    assert (BASE / "train-job.yaml").read_bytes() == TRAIN_JOB.read_bytes()


def test_base_adds_nothing_to_that_file() -> None:
    """What `apply -f` sends is what the overlays build on."""
    assert read(render(BASE)) == read(TRAIN_JOB.read_text())


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_field_exists_and_has_its_type(tmp_path: Path, version: str) -> None:
    """By Kubernetes' own schemas, of the oldest version that is promised and of a new one."""
    documents = [each for name in VARIANTS if name != "dra" for each in documents_of(name)]
    done = k8s_schemas.validate(version, documents, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("passed") == len(k8s_schemas.as_kubernetes_has_them(documents))


@pytest.mark.parametrize("version", [OLDEST_WITH_CLAIMS, NEWEST])
def test_claims_exist_and_have_their_types(tmp_path: Path, version: str) -> None:
    """Dynamic Resource Allocation has its stable form since 1.34."""
    assert k8s_schemas.validate(version, documents_of("dra"), tmp_path).returncode == 0


@pytest.mark.parametrize("variant", ["jobset", "trainjob"])
def test_every_field_of_a_custom_resource_exists_and_has_its_type(variant: str) -> None:
    """By the models that Kubeflow Trainer publishes; what they do not know would be lost."""
    documents = documents_of(variant)

    assert k8s_schemas.known(documents) == k8s_schemas.modelled(documents) != []


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_breaks_no_rule(variant: str) -> None:
    """What the API server rejects and the schema does not, and what this house wants."""
    assert k8s_rules.faults(documents_of(variant)) == {}


@pytest.mark.parametrize("patch", BROKEN_SCHEMA, ids=_name)
def test_schema_catches_the_broken_manifest(tmp_path: Path, patch: Path) -> None:
    """A field that is misspelt, missing or of another type does not pass."""
    assert not _is_valid(_broken(patch, tmp_path), tmp_path)


@pytest.mark.parametrize("patch", BROKEN_RULES, ids=_name)
def test_rule_catches_the_broken_manifest(tmp_path: Path, patch: Path) -> None:
    """Each rule sees its fault, and no other rule takes it for one of its own."""
    assert list(k8s_rules.faults(_broken(patch, tmp_path))) == [patch.parts[-2]]


def test_every_rule_has_a_broken_manifest() -> None:
    """No rule is there that nothing has been seen to break."""
    caught = {patch.parts[-2] for patch in BROKEN_RULES}

    assert caught == {rule.__name__ for rule in k8s_rules.RULES}


@pytest.mark.parametrize("folder", [FOLDER, BROKEN], ids=["manifests", "fixtures"])
def test_yaml_is_well_formed(folder: Path) -> None:
    """No key stands twice, and the indentation is what it seems."""
    yamllint = Path(sys.executable).with_name("yamllint")
    command: list[str | Path] = [yamllint, "--strict", "-d", STYLE, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout + done.stderr == ""
