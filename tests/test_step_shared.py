"""Several ranks with a part of the batch each do what one does with the whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SCRIPT: Final = ROOT / "tests" / "shared_step_rank.py"
# The sums over the batch are cut in another way; eight steps at a rate of 0.05.
TOLERANCE: Final = 2e-6


@pytest.fixture(scope="module", params=[2, 4])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the ranks of a world of two, and of four, have found."""
    folder, size = tmp_path_factory.mktemp("ranks"), request.param
    environ = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    environ |= {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(  # a script of these tests
            [sys.executable, str(SCRIPT), str(folder)],
            env=environ | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(size)
    ]
    assert [process.wait(timeout=120) for process in ranks] == [0] * size
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def test_ranks_end_with_the_weights_of_one(results: list[dict[str, Any]]) -> None:
    """Momentum included; the last batch, which does not divide evenly, counts each image once."""
    assert all(result["distance_to_one_rank"] < TOLERANCE for result in results)


def test_all_ranks_have_the_same_weights(results: list[dict[str, Any]]) -> None:
    """To the bit, because they add the same sums."""
    assert len({result["digest"] for result in results}) == 1


def test_losses_of_the_ranks_add_up(results: list[dict[str, Any]]) -> None:
    """Each counts its own images."""
    total = sum(result["loss"] for result in results)

    assert total == pytest.approx(results[0]["loss_of_one_rank"], rel=1e-5)


def test_flat_exchange_equals_distributed_data_parallel(results: list[dict[str, Any]]) -> None:
    """On batches that divide evenly, the one that torch brings gives the same weights."""
    assert all(result["distance_to_ddp"] < TOLERANCE for result in results)


def test_tolerance_would_notice_a_rank_without_exchange(results: list[dict[str, Any]]) -> None:
    """A rank that learns from its own images alone ends far from the others."""
    assert all(result["distance_without_exchange"] > 100 * TOLERANCE for result in results)


def _free_port() -> str:
    import socket  # noqa: PLC0415  # for this line

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
