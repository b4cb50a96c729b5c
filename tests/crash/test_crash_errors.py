"""Whatever error a volume gives, at any call: a save is whole, or it ends in 73."""

import errno
import os
import re
import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import generations
import scale
from generations import SCENARIOS, TWO
from proof import Proof
from tracing import Call, Traced, attached, run_traced
from warm import Warm

pytest_plugins = ["crash_fixtures"]

PASSING: Final = ("EIO", "ESTALE", "EINTR", "ETIMEDOUT")
STAYING: Final = ("ENOSPC", "EDQUOT", "EROFS", "EACCES")
# These say nothing of the volume.
OTHERS: Final = {"clock_nanosleep", "exit_group", "getpid", "getrandom", "ioctl", "sendto"}


@dataclass(frozen=True)
class Fault:
    """An error that a call gives once, or from then on."""

    call: Call
    error: str
    for_good: bool

    @property
    def option(self) -> str:
        """What makes strace give it."""
        return self.call.broken(f"error={self.error}", for_good=self.for_good)

    @property
    def decides(self) -> bool:
        """Whether the file is not there, or not durable, unless this is done again."""
        # No kernel gives this one, and a parent folder that may not be opened is none of ours.
        impossible = (self.call.name, self.error) == ("fsync", "EACCES")
        return self.call.name in {"fsync", "rename", "write"} and not impossible

    @property
    def passes(self) -> bool:
        """Whether trying again helps."""
        return self.error in PASSING and not self.for_good


def faults_of(calls: list[Call]) -> list[Fault]:
    """Every error at every call that asks something of the volume."""
    return [
        Fault(call, error, for_good)
        for call in calls
        if call.name not in OTHERS
        for error in (*PASSING, *STAYING)
        for for_good in (False, True)
        if (error, for_good) != ("EINTR", True)  # which the interpreter itself would try for ever
    ]


def require_told(fault: Fault, traced: Traced) -> None:
    """An ending in 73 names a path and the kernel's own reason."""
    assert traced.returncode == 73, (fault, traced)
    reason = os.strerror(getattr(errno, fault.error))
    last = traced.told.splitlines()[-1]
    assert re.match(r"cannot (write|read|remove|take a lease in) /", last), fault
    assert last.endswith(reason), (fault, traced.told)


@pytest.mark.parametrize("name", SCENARIOS)
def test_save_meets_every_error_at_every_call(
    warm: Warm, proof: Proof, tmp_path: Path, name: str
) -> None:
    """It is whole in spite of an error that passes, else ends in 73 with path and cause."""
    scenario, prepared, output = SCENARIOS[name], tmp_path / "prepared", tmp_path / "output"
    scenario.prepare(prepared)
    program = scenario.broken.program(output)
    shutil.copytree(prepared, output)
    faults = faults_of(run_traced(warm, program).calls())

    for fault in proof.some(faults, scale.of(quick=100, full=len(faults))):
        shutil.rmtree(output)
        shutil.copytree(prepared, output)
        traced = run_traced(warm, program, fault.option)
        found = generations.found_in(output)
        if traced.returncode == 0:
            assert found == scenario.new, fault
            assert fault.passes or not fault.decides, fault
        else:
            assert not fault.passes, (fault, traced.told)
            require_told(fault, traced)
            assert found in {scenario.old, scenario.new}, fault
        proof.count("errors")


def test_restart_meets_every_error_at_every_call(warm: Warm, proof: Proof, tmp_path: Path) -> None:
    """It goes on from the last checkpoint or the one before, or ends in 73, and never anew."""
    output = tmp_path / "output"
    SCENARIOS["next"].prepare(output)
    program = ["find", str(output)]
    faults = faults_of(run_traced(warm, program).calls())

    for fault in proof.some(faults, scale.of(quick=100, full=len(faults))):
        traced = run_traced(warm, program, fault.option)
        if traced.returncode == 0:
            told = traced.told.splitlines()
            expected = TWO[1] if fault.passes or len(told) == 1 else TWO[0]
            assert told[-1] == f"generation {expected.generation}", (fault, told)
        else:
            assert not fault.passes, (fault, traced.told)
            require_told(fault, traced)
        proof.count("errors")


def test_owner_meets_every_error_at_every_call(warm: Warm, proof: Proof, tmp_path: Path) -> None:
    """An error that passes keeps nobody out; one that stays ends in 73; the next one gets in."""
    output = tmp_path / "output"
    program = ["own", str(output)]
    assert run_traced(warm, program).returncode == 0
    calls = [call for call in run_traced(warm, program).calls() if "/proc/" not in call.arguments]
    faults = faults_of(calls)

    for fault in proof.some(faults, scale.of(quick=100, full=len(faults))):
        traced = run_traced(warm, program, fault.option)
        assert "owner" in traced.told or not fault.passes, (fault, traced.told)
        if fault.error == "ESTALE" and "taken over" in traced.told:  # what it says of a file gone
            assert traced.returncode == 73, (fault, traced)
        elif traced.returncode != 0:
            require_told(fault, traced)
        assert run_traced(warm, program).told.endswith("owner\n"), fault
        proof.count("errors")


@pytest.mark.parametrize("kept_bytes", [0, 100], ids=["nothing", "the end"])
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_volume_that_lies_about_a_write_is_found_out(
    warm: Warm, proof: Proof, tmp_path: Path, kept_bytes: int, for_good: bool
) -> None:
    """Success is never told for bytes that are not there: they are written anew, or it is 73."""
    scenario, prepared, output = SCENARIOS["next"], tmp_path / "prepared", tmp_path / "output"
    scenario.prepare(prepared)
    program = scenario.broken.program(output)
    shutil.copytree(prepared, output)
    writes = [call for call in run_traced(warm, program).calls() if call.name == "write"]

    for call in writes:
        shutil.rmtree(output)
        shutil.copytree(prepared, output)
        told_bytes = int(call.result) - kept_bytes
        traced = run_traced(warm, program, call.broken(f"retval={told_bytes}", for_good=for_good))
        found = generations.found_in(output)
        assert traced.returncode == (73 if for_good else 0), traced.told
        assert found == scenario.new or (for_good and found == scenario.old)
        proof.count("lies")


def test_short_write_is_continued(warm: Warm, tmp_path: Path) -> None:
    """A volume that takes a part first, and the rest when it is asked again, has the whole."""
    output = tmp_path / "output"
    attempt = warm.start(*SCENARIOS["first"].broken.program(output), held=True)
    most, unlimited = 4096, resource.RLIM_INFINITY
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (most, unlimited))
    with attached(attempt, ("--inject=write:delay_exit=1s:when=1",)) as trace:
        attempt.release()
        while f"= {most}" not in trace.read_text():
            time.sleep(0.01)
        resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        assert attempt.wait().returncode == 0

    assert generations.found_in(output) == 1
