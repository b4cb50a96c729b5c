"""The targets themselves: what is whole passes through each, so that fuzzing begins there."""

import pytest

import targets
from appetite import inert
from whole_files import whole


@pytest.mark.parametrize("name", targets.TARGETS)
def test_target_takes_what_is_whole(name: str) -> None:
    """And nothing comes to life."""
    assert whole(name)
    for content in whole(name):
        with inert():
            targets.TARGETS[name](content)
