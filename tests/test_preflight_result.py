"""Claims about `job.preflight.result`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from job.errors import ExitCode, OutputError, UnfitNodeError
from job.preflight.result import FROM_BEST_TO_WORST, AskedDevice, Preflight
from job.preflight.verdict import Check, Part, Verdict


def _check(verdict: Verdict, part: Part = "node", name: str = "cuda") -> Check:
    return Check(name, verdict, f"{name} seen", f"{name} remedy", 0.1, part)


def _preflight(*checks: Check, asked: AskedDevice = "cuda") -> Preflight:
    return Preflight(
        checks=checks,
        gpus=(),
        asked=asked,
        device="cpu",
        device_reason="reason",
        driver=None,
        driver_cuda=None,
        node="here",
        inspected_at="2025-11-23T05:00:00+00:00",
        seconds=0.1,
    )


def test_result_and_its_table_need_no_torch() -> None:
    """Who only reads or shows a preflight does not wait seconds for torch."""
    program = (
        "import sys, job.preflight.table, job.preflight.volume; sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_verdict_is_the_worst_of_all() -> None:
    """One failure outweighs everything, a skip nothing."""
    assert set(FROM_BEST_TO_WORST) == set(get_args(Verdict))
    assert _preflight(_check("skip"), _check("pass")).verdict == "pass"
    assert _preflight(_check("warn"), _check("pass")).verdict == "warn"
    assert _preflight(_check("fail"), _check("skip")).verdict == "fail"


@pytest.mark.parametrize("asked", ["cuda", "mps"])
def test_device_that_was_insisted_on_and_failed_is_unfit(asked: AskedDevice) -> None:
    """The error has what was seen and the remedy of each failed check, and of no other."""
    checks = (_check("fail"), _check("fail", name="driver"), _check("warn", name="health"))
    with pytest.raises(UnfitNodeError) as caught:
        _preflight(*checks, asked=asked).require_fit()
    assert caught.value.exit_code == 69
    assert caught.value.seen == "cuda: cuda seen\ndriver: driver seen"
    assert caught.value.fix == "cuda remedy\ndriver remedy"
    assert f"JOB_DEVICE={asked}" in caught.value.allowed


@pytest.mark.parametrize(("in_slurm", "named"), [("gpu2", "gpu2"), (None, "here")])
def test_unfit_node_is_named_as_the_scheduler_knows_it(in_slurm: str | None, named: str) -> None:
    """Only so can it keep the next attempt off; without a scheduler its own name has to do."""
    with pytest.raises(UnfitNodeError) as caught:
        _preflight(_check("fail"), asked="cuda").require_fit(in_slurm)

    assert caught.value.unfit_node == named


@pytest.mark.parametrize("asked", ["auto", "cpu"])
def test_failed_gpu_does_not_end_a_run_that_did_not_insist(asked: AskedDevice) -> None:
    """Under `auto` the run goes on, while the node still counts as unfit."""
    preflight = _preflight(_check("fail"), asked=asked)
    preflight.require_fit()
    assert not preflight.fit
    assert preflight.exit_code == ExitCode.UNFIT_NODE


@pytest.mark.parametrize("asked", get_args(AskedDevice))
def test_failed_volume_ends_every_run(asked: AskedDevice) -> None:
    """Nothing can be kept, whatever the device is; the code is 73."""
    preflight = _preflight(_check("pass"), _check("fail", "volume", "write"), asked=asked)
    with pytest.raises(OutputError, match="write seen") as caught:
        preflight.require_fit()
    assert caught.value.fix == "write remedy"
    assert preflight.exit_code == ExitCode.OUTPUT


def test_unfit_node_goes_before_its_volume() -> None:
    """Another node may have the volume, so the code asks for another node."""
    preflight = _preflight(_check("fail"), _check("fail", "volume", "write"))
    with pytest.raises(UnfitNodeError):
        preflight.require_fit()
    assert preflight.exit_code == ExitCode.UNFIT_NODE


def test_warnings_and_skips_are_fit() -> None:
    """Only a fail stands in the way."""
    preflight = _preflight(_check("warn"), _check("skip"), _check("warn", "volume"))
    preflight.require_fit()
    assert preflight.fit
    assert preflight.exit_code == ExitCode.FINISHED


def test_json_holds_all_and_survives_a_round_trip() -> None:
    """`preflight.json` has the schema's version, the verdict and every check."""
    written = json.loads(json.dumps(_preflight(_check("fail")).as_json(), allow_nan=False))
    assert written["schema_version"] == 1
    assert (written["verdict"], written["fit"], written["exit_code"]) == ("fail", False, 69)
    assert (written["node"], written["device"]) == ("here", "cpu")
    assert written["checks"] == [
        {
            "name": "cuda",
            "verdict": "fail",
            "seen": "cuda seen",
            "remedy": "cuda remedy",
            "seconds": 0.1,
            "part": "node",
        }
    ]
