"""Claims about `job.world.nccl`."""

import pytest

from job.world.nccl import leave_failures_to_beats

HANDLING = "TORCH_NCCL_ASYNC_ERROR_HANDLING"
DUMP = "TORCH_NCCL_DUMP_ON_TIMEOUT"


def told(environ: dict[str, str], device_type: str = "cuda") -> dict[str, str]:
    """What torch finds in an environment after a rank on such a device has begun."""
    leave_failures_to_beats(environ, device_type)
    return environ


def test_torch_ends_no_process_because_of_an_exchange() -> None:
    """Neither at once nor by its monitor later: 134 would tell a scheduler nothing."""
    assert told({}) == {HANDLING: "0", DUMP: "0"}


def test_nothing_is_said_to_ranks_on_a_cpu() -> None:
    """They have no NCCL."""
    assert told({}, "cpu") == {}


@pytest.mark.parametrize("name", [HANDLING, "NCCL_ASYNC_ERROR_HANDLING"])
def test_handling_that_the_user_has_chosen_stays(name: str) -> None:
    """By its old name, too, which the new one would overrule."""
    assert told({name: "1"}) == {name: "1", DUMP: "0"}


def test_dump_that_the_user_wants_stays() -> None:
    """Torch's flight recorder is of use to whoever asks for it."""
    assert told({DUMP: "1"}) == {HANDLING: "0", DUMP: "1"}
