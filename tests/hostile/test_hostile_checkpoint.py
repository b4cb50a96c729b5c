"""Checkpoints of a stranger: whole ones of this training, or passed over; the job never falls."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from job import checkpoint
from whole_files import whole


@pytest.mark.parametrize("name", ["manifest", "sealed_manifest", "sealed_payload"])
def test_spoilt_checkpoint_is_taken_or_passed_over(name: str) -> None:
    """With a digest that fits, as somebody makes it who means harm, and without."""

    @given(spoilt(whole(name)))
    @many(quick=200, full=20_000)
    def feed(data: bytes) -> None:
        with inert():
            targets.TARGETS[name](data)

    feed()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20))
@many(quick=50, full=2_000)
def test_any_folder_beside_the_checkpoints_is_passed_over(name: str) -> None:
    """What is called step-something and is none of ours neither counts nor confuses."""
    with places.folder() as root:
        (root / f"step-{name}").mkdir(exist_ok=True)
        (root / f"step-{name}" / "manifest.json").write_text("{}")
        targets.use_checkpoints(root)


@pytest.mark.parametrize("part", ["manifest.json", targets.PAYLOAD])
@pytest.mark.timeout(60)
def test_part_that_is_no_file_is_passed_over(tmp_path: Path, part: str) -> None:
    """A pipe is not waited for, a folder is not read."""
    folder = tmp_path / "step-00000002"
    folder.mkdir()
    os.mkfifo(folder / part)
    if part != "manifest.json":
        (folder / "manifest.json").write_text(_sealed(targets.PAYLOAD, digest="0" * 64))

    assert checkpoint.latest(tmp_path) is None


@pytest.mark.parametrize("part", ["manifest.json", targets.PAYLOAD])
def test_part_of_a_terabyte_is_passed_over_unread(tmp_path: Path, part: str) -> None:
    """Holes cost their maker nothing."""
    folder = tmp_path / "step-00000002"
    folder.mkdir()
    (folder / "manifest.json").write_text(_sealed(targets.PAYLOAD, digest="0" * 64))
    with (folder / part).open("ab") as file:
        file.truncate(2**40)
    with modest(64 * MEBIBYTE):
        assert checkpoint.latest(tmp_path) is None


def test_payload_outside_of_its_folder_is_not_looked_at(tmp_path: Path) -> None:
    """A name that leads elsewhere is no payload of this checkpoint."""
    content = whole("sealed_payload")[0]
    (tmp_path / "elsewhere").write_bytes(content)
    folder = tmp_path / "checkpoints" / "step-00000002"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(_sealed("../../elsewhere", digest))

    assert checkpoint.latest(tmp_path / "checkpoints") is None


def _sealed(payload: str, digest: str) -> str:
    body = json.loads(whole("sealed_manifest")[0])
    body |= {"payload": payload, "payload_sha256": digest}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({"sha256": hashlib.sha256(canonical.encode()).hexdigest(), "body": body})
