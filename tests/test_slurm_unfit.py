"""Claims about `slurm/`, without a cluster: which node a requeued job is kept off."""

import json
from pathlib import Path
from typing import Final

import pytest

from batch_shell import Batch, make_batch
from job.record import AttemptRecord

TWO_NODES: Final = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "gpu[1-2]"}


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A batch shell on a node."""
    return make_batch(tmp_path)


@pytest.mark.parametrize(("before", "after"), [("(null)", "gpu1"), ("gpu0", "gpu0,gpu1")])
def test_unfit_nodes_add_up(batch: Batch, before: str, after: str) -> None:
    """A node that was excluded before, by the user or by an attempt, stays so."""
    ended = batch.run(TASK="69", EXCLUDED=before)

    assert ended.requeues == [
        "scontrol requeue 7",
        f"scontrol update JobId=7 ExcNodeList={after}",
    ]


def line_of_ledger(unfit_node: str | None, reason: str = "lost", *, number: int = 1) -> str:
    """What an attempt enters that ended because of a node."""
    attempt = AttemptRecord(attempt=number, node="gpu1", started_at="now", ended=reason)
    return json.dumps(attempt.model_copy(update={"unfit_node": unfit_node}).model_dump())


@pytest.mark.parametrize("code", ["69", "75"])
@pytest.mark.parametrize("name", ["gpu2", "gpu2.cluster.example"])
def test_of_several_nodes_the_one_that_the_ledger_names_is_excluded(
    batch: Batch, code: str, name: str
) -> None:
    """Not the first one, on which the script runs; a host may know its domain, too."""
    ended = batch.run(TASK=code, ENTERS=line_of_ledger(name), EXCLUDED="gpu0", **TWO_NODES)

    assert ended.requeues == ["scontrol requeue 7", "scontrol update JobId=7 ExcNodeList=gpu0,gpu2"]
    assert "gpu2 is unfit and excluded" in ended.said


@pytest.mark.parametrize(
    "line",
    [
        line_of_ledger(None),
        line_of_ledger(None, reason=line_of_ledger("gpu2")),
        line_of_ledger("gpu3"),
        line_of_ledger("gpu"),
        line_of_ledger("gpu."),
        line_of_ledger("ALL,gpu1"),
        line_of_ledger("-v"),
        '{"attempt": 2, "unfit_node": "gpu3',
        "",
    ],
)
def test_only_a_node_of_the_job_is_excluded(batch: Batch, line: str) -> None:
    """The ledger lies where people can edit it, and most attempts end for another reason."""
    ended = batch.run(TASK="75", ENTERS=line, **TWO_NODES)

    assert (ended.code, ended.requeues) == (75, ["scontrol requeue 7"])


def test_node_that_an_earlier_attempt_has_named_is_not_excluded_again(batch: Batch) -> None:
    """It may be mended, and this attempt may have ended before it had a line."""
    ledger = batch.project / "output" / "attempts.jsonl"
    ledger.parent.mkdir()
    ledger.write_text(line_of_ledger("gpu2") + "\n")

    without_line = batch.run(TASK="69", **TWO_NODES)
    stopped = batch.run(TASK="75", ENTERS=line_of_ledger(None, number=2), **TWO_NODES)
    unfit = batch.run(TASK="75", ENTERS=line_of_ledger("gpu1", number=3), **TWO_NODES)

    assert without_line.requeues == ["scontrol requeue 7"]
    assert stopped.requeues == ["scontrol requeue 7"] * 2
    assert unfit.requeues[2:] == ["scontrol requeue 7", "scontrol update JobId=7 ExcNodeList=gpu1"]


def test_of_several_nodes_none_is_excluded_without_a_ledger(batch: Batch) -> None:
    """The code does not tell whose it is; the first node is most likely fit."""
    ended = batch.run(TASK="69", **TWO_NODES)

    assert (ended.code, ended.requeues) == (69, ["scontrol requeue 7"])


def test_single_node_is_the_one_that_the_batch_shell_knows(batch: Batch) -> None:
    """In a container the job may not know it; and 75 is no fault of a node."""
    unfit = batch.run(TASK="69", ENTERS=line_of_ledger("3f2a"))
    stopped = batch.run(TASK="75", ENTERS=line_of_ledger("gpu1"))

    assert unfit.requeues == ["scontrol requeue 7", "scontrol update JobId=7 ExcNodeList=gpu1"]
    assert stopped.requeues[2:] == ["scontrol requeue 7"]
