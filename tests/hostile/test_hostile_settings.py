"""Settings from a hostile environment: taken, or refused in words that can be told anywhere."""

import os
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import targets
from appetite import MEBIBYTE, inert, modest
from examples import many, spoilt
from job.settings import KINDS
from whole_files import whole

VARIABLES = sorted(f"JOB_{name.upper()}" for kind in KINDS for name in kind.model_fields)
# What an environment can hold: any bytes but zero; those that are no UTF-8 come as surrogates.
VALUES = st.binary(max_size=40).map(lambda value: os.fsdecode(value.replace(b"\0", b""))) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=40
)
NAMES = st.sampled_from(VARIABLES) | VALUES.map(lambda text: "JOB_" + text.replace("=", ""))
FLAGS = st.sampled_from([f"--{name[4:].lower().replace('_', '-')}" for name in VARIABLES])


@given(spoilt(whole("settings")))
@many(quick=300, full=20_000)
def test_spoilt_lines_are_taken_or_refused(data: bytes) -> None:
    """Names, values and flags that were right before somebody's cat walked over them."""
    with inert():
        targets.settings(data)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.lists(FLAGS | VALUES, max_size=5))
@example({"JOB_OUTPUT_DIR": "\udcff"}, [])
@example({"JOB_DATA_DIR": "a\udcffb"}, ["--epochs", "3"])
@example({"JOB_STOP_FILE": "~"}, ["--output-dir", "\udcff"])
@example({"JOB_MASTER_ADDRESS": "\udc80"}, [])
@example({"JOB_\udcff": "x", "job_seed": "y"}, [])
@example({}, ["a,b.png", "[1]", "[", "{}"])
@many(quick=300, full=20_000)
def test_any_environment_is_taken_or_refused(environment: dict[str, str], flags: list[str]) -> None:
    """Whatever the variables are called and hold, whatever stands on the command line."""
    with mock.patch.dict(os.environ, environment), inert():
        for kind in KINDS:
            targets.load_or_refuse(kind, flags)


@pytest.mark.parametrize(
    "value", ["9", "[", '{"a":', "a,", "-", "1e", "\\", "$(", "%s", "\U0001f45f"]
)
@pytest.mark.parametrize("name", ["JOB_SEED", "JOB_PICTURES", "JOB_OUTPUT_DIR", "JOB_RECIPE"])
def test_long_values_take_little(name: str, value: str) -> None:
    """As long as a variable can be: 128 KiB less its name."""
    longest = (value * 2**17)[: 2**15]
    with mock.patch.dict(os.environ, {name: longest}), inert(), modest(64 * MEBIBYTE):
        for kind in KINDS:
            targets.load_or_refuse(kind, [])
            targets.load_or_refuse(kind, [longest])
