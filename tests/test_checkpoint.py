"""Checkpoints are whole or not there."""

import hashlib
import json
import random
from pathlib import Path

import pytest
import structlog
import torch
from torch import Tensor

from job import checkpoint, files
from job.checkpoint import RunState
from job.errors import OutputError
from job.record import EpochRecord

TENSORS = {"model.weight": torch.arange(12.0).view(3, 4), "optimizer.step": torch.tensor(7.0)}


def state(batch: int = 3) -> RunState:
    """Some state with a history and floats that need all their digits."""
    result = EpochRecord(
        epoch=1,
        step=10,
        learning_rate=0.1,
        train_loss=1 / 3,
        train_seconds=0.5,
        images_per_second=20.0,
        test_loss=2 / 3,
        test_accuracy=0.5,
        test_seconds=0.1,
    )
    return RunState(
        epoch=1,
        batch=batch,
        epoch_loss=0.1 + 0.2,
        epoch_seconds=1.5,
        history=[result],
        settings={"seed": 3, "precision": "fp32"},
    )


def save(root: Path, step: int = 13, tensors: dict[str, Tensor] = TENSORS) -> Path:
    """Save the example as `step`."""
    return checkpoint.save(root, step, state(), tensors)


def manifest_of(folder: Path) -> Path:
    """The file whose presence makes a checkpoint."""
    return folder / checkpoint.MANIFEST


def payload_of(folder: Path) -> Path:
    """The one file with the tensors."""
    (payload,) = folder.glob("state-*.safetensors")
    return payload


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """Tensors come back bit for bit, floats of the state to the last digit."""
    folder = save(tmp_path)

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert (folder, 13, state()) == (found.folder, found.step, found.state)
    assert found.tensors.keys() == TENSORS.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in TENSORS.items())


def test_folder_is_named_as_the_contract_says(tmp_path: Path) -> None:
    """`step-` and eight digits, so that names sort as steps do."""
    assert save(tmp_path, step=4690).name == "step-00004690"


def test_no_checkpoint_is_found_where_none_is(tmp_path: Path) -> None:
    """A folder that is empty or absent holds none, and that is no error."""
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "absent") is None
    assert checkpoint.newest(tmp_path / "absent") is None


def test_newest_checkpoint_is_used(tmp_path: Path) -> None:
    """Steps decide, not times or the order of writing."""
    for step in (20, 5, 100):
        save(tmp_path, step)

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert found.step == 100
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert checkpoint.step_of(newest) == 100


def test_payload_without_manifest_is_no_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A save that died before its last file leaves the one before it in charge."""
    save(tmp_path, 1)
    manifest_of(save(tmp_path, 2)).unlink()

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert found.step == 1
    assert "step-00000002" in capsys.readouterr().out


def test_every_altered_byte_is_noticed(tmp_path: Path) -> None:
    """Flipping any bit of the manifest or the payload makes the one before it the latest."""
    save(tmp_path, 1)
    folder = save(tmp_path, 2)
    choose = random.Random(0)
    for path in (manifest_of(folder), payload_of(folder)):
        whole = path.read_bytes()
        for _ in range(200):
            place = choose.randrange(len(whole))
            altered = bytearray(whole)
            altered[place] ^= 1 << choose.randrange(8)
            path.write_bytes(altered)
            found = checkpoint.latest(tmp_path)
            assert found is not None
            # A flip within the white space of the manifest changes nothing that it says.
            still_said = path == manifest_of(folder) and (found.step, found.state) == (2, state())
            assert found.step == 1 or still_said
        path.write_bytes(whole)


@pytest.mark.parametrize("kept_bytes", [0, 1, 100])
@pytest.mark.parametrize("part", ["manifest", "payload"])
def test_torn_file_is_passed_over(tmp_path: Path, part: str, kept_bytes: int) -> None:
    """A file that was cut makes the checkpoint before it the latest."""
    save(tmp_path, 1)
    folder = save(tmp_path, 2)
    path = manifest_of(folder) if part == "manifest" else payload_of(folder)
    path.write_bytes(path.read_bytes()[:kept_bytes])

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"sha256": "", "body": {}}', "\x00", "{"])
def test_foreign_manifest_is_passed_over(tmp_path: Path, text: str) -> None:
    """Whatever stands in a manifest, it is no crash."""
    manifest_of(save(tmp_path)).write_text(text)

    assert checkpoint.latest(tmp_path) is None


def test_sealed_manifest_of_another_schema_is_passed_over(tmp_path: Path) -> None:
    """A digest that fits does not make a manifest of a later version readable."""
    reseal(save(tmp_path), schema_version=2)

    with structlog.testing.capture_logs() as events:
        assert checkpoint.latest(tmp_path) is None
    assert [event["reason"] for event in events] == ["1 validation error for _Manifest"]


def test_order_of_a_manifest_says_nothing(tmp_path: Path) -> None:
    """Another writer of JSON may sort its keys."""
    folder = save(tmp_path)
    before = checkpoint.latest(tmp_path)
    manifest = json.loads(manifest_of(folder).read_text())
    manifest_of(folder).write_text(json.dumps(manifest, sort_keys=True))

    after = checkpoint.latest(tmp_path)

    assert before is not None
    assert after is not None
    assert after.state == before.state


def test_saving_twice_at_one_step_replaces_the_state(tmp_path: Path) -> None:
    """The last save at a step counts, and no payload of the first is left."""
    save(tmp_path, 2)
    later = {name: value + 1 for name, value in TENSORS.items()}
    folder = checkpoint.save(tmp_path, 2, state(batch=9), later)

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert found.state.batch == 9
    assert torch.equal(found.tensors["model.weight"], later["model.weight"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        payload_of(folder).name,
    ]


def test_second_save_that_fails_leaves_the_first_in_charge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dying between payload and manifest of a second save at one step loses nothing."""
    save(tmp_path, 2)

    def fail(path: Path, value: object) -> None:
        raise OutputError(f"cannot write {path}: {type(value)}")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", fail)
        with pytest.raises(OutputError):
            checkpoint.save(tmp_path, 2, state(batch=9), {"model.weight": torch.ones(5)})

    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.state == state()


def test_payload_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    """A payload of the right name and the wrong content does not count as written."""
    folder = save(tmp_path)
    payload_of(folder).write_bytes(b"torn")

    save(tmp_path)

    assert checkpoint.latest(tmp_path) is not None


def test_payload_that_is_there_is_written_anew(tmp_path: Path) -> None:
    """Whoever wrote it may have been killed before its name was durable, and only a write syncs."""
    before = payload_of(save(tmp_path)).stat().st_ino

    assert payload_of(save(tmp_path)).stat().st_ino != before


def test_prune_keeps_the_newest(tmp_path: Path) -> None:
    """Only the oldest go."""
    folders = [save(tmp_path, step) for step in range(1, 6)]

    checkpoint.prune(tmp_path, 2, folders[-1])

    assert sorted(tmp_path.iterdir()) == folders[-2:]


def test_prune_keeps_what_was_just_saved(tmp_path: Path) -> None:
    """After two torn ones a run begins anew, and what it saves is not the oldest for that."""
    torn = [save(tmp_path, step) for step in (100, 200)]
    for folder in torn:
        manifest_of(folder).write_text("")
    folders = [save(tmp_path, step) for step in (1, 2, 3)]

    checkpoint.prune(tmp_path, 2, folders[-1])

    assert sorted(tmp_path.iterdir()) == [*folders[1:], *torn]
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 3


def test_what_cannot_be_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old checkpoint that someone keeps open costs space, and not the run."""

    def refuse(path: Path) -> None:
        raise OutputError(f"cannot remove {path}")

    folders = [save(tmp_path, step) for step in range(1, 4)]
    monkeypatch.setattr(files, "remove_folder", refuse)
    with structlog.testing.capture_logs() as events:
        checkpoint.prune(tmp_path, 2, folders[-1])

    assert [event["reason"] for event in events] == [f"cannot remove {folders[0]}"]
    assert len(list(tmp_path.iterdir())) == 3


def test_steps_sort_as_numbers(tmp_path: Path) -> None:
    """A hundred million and one comes after a hundred million less one."""
    for step in (100_000_001, 99_999_999):
        save(tmp_path, step)

    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert checkpoint.step_of(newest) == 100_000_001


def test_folder_of_another_name_is_nobodys(tmp_path: Path) -> None:
    """It is neither read nor removed."""
    (tmp_path / "step-by-step").mkdir()
    folders = [save(tmp_path, step) for step in (1, 2, 3)]

    checkpoint.prune(tmp_path, 2, folders[-1])

    assert (tmp_path / "step-by-step").exists()


def test_checkpoint_that_cannot_be_read_gives_way_to_the_one_before(tmp_path: Path) -> None:
    """A disk has bad sectors, and that is what the one before is kept for."""
    save(tmp_path, 1)
    out_of_reach(save(tmp_path, 2))

    found = checkpoint.latest(tmp_path)

    assert found is not None
    assert found.step == 1


def test_run_is_not_begun_anew_over_a_checkpoint_that_cannot_be_read(tmp_path: Path) -> None:
    """73 with the path and the cause: what is out of reach today may be whole."""
    save(tmp_path, 1)
    manifest_of(tmp_path / "step-00000001").write_text("torn")
    out_of_reach(save(tmp_path, 2))

    with pytest.raises(OutputError, match=r"step-00000002/manifest.json: Too many levels"):
        checkpoint.latest(tmp_path)


def out_of_reach(folder: Path) -> None:
    """Let the kernel refuse to open the manifest."""
    manifest_of(folder).unlink()
    manifest_of(folder).symlink_to(manifest_of(folder))


def test_newest_is_told_without_a_fuss(tmp_path: Path) -> None:
    """It is asked for in the middle of an error that must not be hidden by another one."""
    (tmp_path / "file").write_text("")

    assert checkpoint.newest(tmp_path / "file") is None


@pytest.mark.parametrize("payload", ["../elsewhere", "/dev/zero", "manifest.json", "."])
def test_payload_lies_beside_its_manifest(tmp_path: Path, payload: str) -> None:
    """A sealed manifest can name whatever it likes; only what `save` writes is read."""
    reseal(save(tmp_path), payload=payload)

    assert checkpoint.latest(tmp_path) is None


def test_payload_is_read_to_the_length_that_was_written(tmp_path: Path) -> None:
    """However long the file is, or the manifest says."""
    folder = save(tmp_path)
    with payload_of(folder).open("r+b") as file:
        file.truncate(2**40)
    assert checkpoint.latest(tmp_path) is None

    reseal(folder, payload_bytes=2**40)
    assert checkpoint.latest(tmp_path) is None


def test_payload_that_is_no_safetensors_is_passed_over(tmp_path: Path) -> None:
    """Although its digest is right."""
    folder = save(tmp_path)
    payload_of(folder).write_bytes(b"{}")
    reseal(folder, payload_bytes=2, payload_sha256=hashlib.sha256(b"{}").hexdigest())

    assert checkpoint.latest(tmp_path) is None


def test_manifest_of_nothing_but_brackets_is_passed_over(tmp_path: Path) -> None:
    """The parser gives up on it with an error of its own kind."""
    manifest_of(save(tmp_path)).write_text("[" * 100_000)

    assert checkpoint.latest(tmp_path) is None


def reseal(folder: Path, **changes: object) -> None:
    """Change a manifest and make its digest right again."""
    body = json.loads(manifest_of(folder).read_text())["body"] | changes
    manifest_of(folder).write_text(json.dumps(checkpoint._seal(body)))


def test_save_into_a_file_is_an_output_error(tmp_path: Path) -> None:
    """A volume that cannot take a checkpoint ends in 73."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError, match="file"):
        save(tmp_path / "file")


def test_large_network_may_have_a_large_checkpoint(tmp_path: Path) -> None:
    """What it may have is said by whoever knows the network; nobody else reads so much."""
    large = {"weight": torch.zeros(checkpoint.LIMIT_BYTES // 4 + 1)}
    checkpoint.save(tmp_path, 1, state(), large)

    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path, 2 * checkpoint.LIMIT_BYTES) is not None
