"""Folders of runs and files of sweeps, edited by a stranger: shown as far as they can be read."""

from hypothesis import example, given

import folder_targets
from appetite import inert
from examples import many, spoilt
from whole_files import whole


@given(spoilt(whole("sweep_file")))
@example(b"a=" + b"[" * 100_000)
@example(b"method='grid'\n[settings]\nseed=" + b"9" * 5_000)
@many(quick=300, full=20_000)
def test_spoilt_sweep_has_points_or_is_refused(data: bytes) -> None:
    """Whatever is counted or multiplied in it."""
    with inert():
        folder_targets.sweep_file(data)


@given(spoilt(whole("compared_run")))
@many(quick=60, full=2_000)
def test_spoilt_run_has_a_place_on_the_leaderboard(data: bytes) -> None:
    """It never costs the others theirs."""
    with inert():
        folder_targets.compared_run(data)


@given(spoilt(whole("reported_run")))
@many(quick=100, full=10_000)
def test_spoilt_run_has_a_report_or_is_refused(data: bytes) -> None:
    """Parts that cannot be read are left out."""
    with inert():
        folder_targets.reported_run(data)
