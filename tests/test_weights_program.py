"""Claims about `job.weights.program`: it predicts elsewhere, and is read here as plain numbers."""

import io
import json
from pathlib import Path

import pytest
import torch

from job import weights
from weight_files import BIAS, Armed, encoded, network, refused, rewritten

INDEX = "model_weights_config.json"


@pytest.mark.parametrize("images", [1, 2, 5])
def test_program_predicts_for_any_batch_size(images: int) -> None:
    """The exported program gives the model's logits without this package."""
    batch = torch.rand(images, 1, 28, 28)

    torch.testing.assert_close(weights.run_pt2(encoded(".pt2"), batch), network()(batch))


@pytest.mark.parametrize("entry", ["data/sample_inputs/model.pt", "models/model.json"])
def test_code_beside_the_numbers_of_a_program_never_runs(tmp_path: Path, entry: str) -> None:
    """Only the numbers of a `.pt2` are looked at; torch itself would unpickle its inputs."""
    armed = io.BytesIO()
    torch.save(Armed(tmp_path / "marker"), armed)
    path = tmp_path / "model.pt2"
    path.write_bytes(rewritten(encoded(".pt2"), entry, lambda _: armed.getvalue()))

    assert torch.equal(weights.read(path).state_dict()[BIAS], network().state_dict()[BIAS])
    assert not (tmp_path / "marker").exists()


def test_pickled_numbers_of_a_program_are_refused(tmp_path: Path) -> None:
    """An archive may ask for a pickle to be read; that is not done."""

    def ask_for_a_pickle(index: bytes) -> bytes:
        return index.replace(b'"use_pickle": false', b'"use_pickle": true')

    program = rewritten(encoded(".pt2"), INDEX, ask_for_a_pickle)
    assert "plain numbers" in refused(tmp_path, "model.pt2", program)


def test_shapes_that_an_archive_claims_must_be_the_networks(tmp_path: Path) -> None:
    """The same bytes under another shape are another network."""

    def turn(index: bytes) -> bytes:
        config = json.loads(index)
        config["config"]["linear_relu_stack.4.weight"]["tensor_meta"]["sizes"].reverse()
        return json.dumps(config).encode()

    program = rewritten(encoded(".pt2"), INDEX, turn)
    assert "(10, 512) plain numbers" in refused(tmp_path, "model.pt2", program)


@pytest.mark.parametrize("excess", [1, 4])
def test_entry_with_more_numbers_than_its_shape_is_refused(tmp_path: Path, excess: int) -> None:
    """Nothing is silently left over."""
    program = rewritten(encoded(".pt2"), "weight_5", lambda numbers: numbers + bytes(excess))

    refused(tmp_path, "model.pt2", program)
