"""Claims about `job.errors`."""

from collections.abc import Iterator
from typing import Final

import pytest

from job.errors import (
    HOPELESS,
    POLICIES,
    DataError,
    DivergedError,
    ExitCode,
    InterruptedRunError,
    JobError,
    NoProgressError,
    OutputError,
    QualityError,
    SettingsError,
    StalledError,
    UnfitNodeError,
    UsageError,
    kind_of,
)

# Written out, because batch scripts and manifests of users hold these numbers, too.
CONTRACT: Final = {
    0: ("Complete", "done"),
    64: ("FailJob", "no requeue"),
    65: ("FailJob", "no requeue"),
    69: ("count, retry elsewhere", "requeue, bounded, node named"),
    70: ("count", "no requeue"),
    73: ("count", "no requeue"),
    75: ("Ignore with DisruptionTarget, else count", "requeue, bounded"),
    78: ("FailJob", "no requeue"),
    80: ("FailJob", "no requeue"),
    81: ("FailJob", "no requeue"),
    82: ("count", "requeue, bounded"),
    83: ("FailJob", "no requeue"),
}
CODES: Final = {
    JobError: 70,
    UsageError: 64,
    DataError: 65,
    UnfitNodeError: 69,
    OutputError: 73,
    InterruptedRunError: 75,
    SettingsError: 78,
    QualityError: 80,
    DivergedError: 81,
    StalledError: 82,
    NoProgressError: 83,
}


def _family(kind: type[JobError]) -> Iterator[type[JobError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def test_hopeless_is_what_fails_the_job() -> None:
    """What Kubernetes does not count is what no further attempt mends."""
    assert {code for code, (does, _) in CONTRACT.items() if does == "FailJob"} == HOPELESS


def test_table_of_exit_codes_is_the_contract() -> None:
    """The numbers and what schedulers do about them never change under a user."""
    table = {int(code): (policy.kubernetes, policy.slurm) for code, policy in POLICIES.items()}

    assert table == CONTRACT


def test_each_exit_code_has_a_policy_in_words() -> None:
    """No attempt ends in a way that the table leaves open."""
    assert list(POLICIES) == list(ExitCode)
    assert len({policy.meaning for policy in POLICIES.values()}) == len(ExitCode)


def test_each_error_has_the_exit_code_of_its_kind() -> None:
    """Every member of the family ends the process with the number that the table gives it."""
    assert {kind: int(kind.exit_code) for kind in _family(JobError)} == CODES


@pytest.mark.parametrize("kind", CODES)
def test_error_as_text_has_all_its_parts(kind: type[JobError]) -> None:
    """What was seen, what is allowed, and the fix: one line each."""
    error = kind("it is 3", allowed="1 or 2", fix="set it to 1", checkpoint="step-1")

    assert str(error) == "it is 3\nallowed: 1 or 2\nfix: set it to 1"
    assert (error.seen, error.allowed, error.fix) == ("it is 3", "1 or 2", "set it to 1")
    assert error.checkpoint == "step-1"


def test_error_as_text_leaves_out_what_is_empty() -> None:
    """An error without a fix does not say that its fix is nothing."""
    assert str(JobError("it is 3")) == "it is 3"
    assert str(JobError("it is 3", fix="set it to 1")) == "it is 3\nfix: set it to 1"
    assert JobError("it is 3").checkpoint == ""


@pytest.mark.parametrize("kind", CODES)
def test_code_tells_the_kind_of_error(kind: type[JobError]) -> None:
    """What another rank ended with can be raised here."""
    assert kind_of(kind.exit_code) is kind
