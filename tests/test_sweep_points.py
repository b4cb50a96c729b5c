"""Claims about `job.sweep.points`: what a file says every process finds, or is told why not."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job.errors import SettingsError
from job.sweep.points import MOST_POINTS, parse, points

ROOT = Path(__file__).parents[1]
GRID = """
method = "grid"
[settings]
learning_rate = [0.001, 1.0]
nesterov = [true, false]
optimizer = "sgd"
"""
RANDOM = """
method = "random"
seed = {seed}
count = {count}
[settings]
learning_rate = {{ min = 1e-4, max = 1.0, scale = "log" }}
batch_size = {{ min = 32, max = 512 }}
optimizer = {{ choices = ["sgd", "adamw"] }}
epochs = 2
"""


def refusal(folder: Path, text: str | bytes) -> str:
    """What is said against a file."""
    path = folder / "sweep.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        points(path)
    assert caught.value.exit_code == 78
    assert str(path) in caught.value.seen
    return caught.value.seen


def test_grid_is_every_combination_the_last_setting_fastest() -> None:
    """What is no list is the same for all."""
    found = [tuple(point.values.values()) for point in parse(GRID)]

    assert found == [
        ("0.001", "true", "sgd"),
        ("0.001", "false", "sgd"),
        ("1.0", "true", "sgd"),
        ("1.0", "false", "sgd"),
    ]


def test_list_is_as_it_stands() -> None:
    """Points need not name the same settings."""
    found = parse('method = "list"\n[[points]]\nepochs = 1\n[[points]]\nseed = 7')

    assert [(point.index, point.values) for point in found] == [
        (0, {"epochs": "1"}),
        (1, {"seed": "7"}),
    ]


def test_random_points_are_the_same_everywhere_and_stay_when_more_are_drawn() -> None:
    """Each member of an array draws for itself; another seed gives others."""
    few, many = (parse(RANDOM.format(seed=1, count=count)) for count in (3, 30))

    assert many[:3] == few
    assert parse(RANDOM.format(seed=2, count=3)) != few
    # As Python 3.11 to 3.13 draw them.
    assert few[0].values == {
        "learning_rate": "0.0003447",
        "batch_size": "439",
        "optimizer": "adamw",
        "epochs": "2",
    }


@given(st.integers(0, 2**31))
def test_drawn_values_are_in_their_ranges(seed: int) -> None:
    """Rounded to four digits, which leaves no range; of integers, integers."""
    for point in parse(RANDOM.format(seed=seed, count=5)):
        assert 1e-4 <= float(point.values["learning_rate"]) <= 1.0
        assert 32 <= int(point.values["batch_size"]) <= 512
        assert point.values["optimizer"] in ("sgd", "adamw")


def test_logarithmic_scale_gives_each_decade_its_share() -> None:
    """Half of what is drawn from 0.0001 to 1 is below 0.01."""
    drawn = parse(RANDOM.format(seed=0, count=1000))
    low = sum(float(point.values["learning_rate"]) < 0.01 for point in drawn)

    assert math.isclose(low / 1000, 0.5, abs_tol=0.05)


def test_folder_is_named_by_index_and_choice() -> None:
    """What is the same for all is left out; folders sort as the points do."""
    assert [point.name for point in parse(GRID)][:2] == [
        "0000-learning-rate-0.001-nesterov-true",
        "0001-learning-rate-0.001-nesterov-false",
    ]


@given(st.text(max_size=300))
def test_folder_of_any_point_is_one_plain_name(text: str) -> None:
    """A value is no path, no option and no command."""
    quoted = "".join(f"\\U{ord(each):08x}" for each in text if not 0xD800 <= ord(each) < 0xE000)
    (point,) = parse(f'method = "list"\n[[points]]\ndata_dir = "{quoted}"')

    assert point.name.startswith("0000-data-dir")
    assert set(point.name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-"
    )
    assert len(point.name) <= 80


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "method"),
        ('method = "bayes"', "'grid', 'list', 'random'"),
        ('method = "grid"', "settings: Field required"),
        ('method = "grid"\nseeds = 1\n[settings]\nseed = 1', "seeds: Extra inputs"),
        ('method = "grid"\n[settings]\nseed = []', "0 points, allowed are 1 to 1000"),
        ('method = "grid"\n[settings]\nseed = [[1]]', "settings.seed.0: a number, a text"),
        ('method = "grid"\n[settings]\nseed = [1979-05-27]', "settings.seed.0: a number, a text"),
        ('method = "list"\npoints = []', "0 points"),
        ('method = "list"\n[[points]]\na = {b = 1}', "points.0.a: a number, a text"),
        ('method = "random"\ncount = 0\n[settings]\nseed = 1', "0 points"),
        ('method = "random"\ncount = 2\n[settings]\na = {min = 2, max = 1}', "min is at most max"),
        ('method = "random"\ncount = 2\n[settings]\na = {min=0, max=1, scale="log"}', "above 0"),
        ('method = "random"\ncount = 2\n[settings]\na = {min = nan, max = 1}', "settings.a.min"),
        ('method = "random"\ncount = 2\n[settings]\na = {choices = []}', "settings.a.choices"),
        ('method = "grid"\n[settings]\na = [1', "cannot take the sweep"),
    ],
)  # fmt: skip
def test_file_that_says_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """With the name of what is wrong."""
    assert told in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"a = " + b"[" * 100_000,
        b"x" * 2**21,
        b'method = "grid"\n[settings]\nseed = 0x' + b"f" * 5000,
        b'method = "random"\ncount = 1\n[settings]\nseed = {min = 1, max = 1' + b"0" * 400 + b"}",
        b'method = "random"\nseed = 1\ncount = 99999999999\n[settings]\nseed = 1',
    ],
    ids=["no text", "deep", "long", "huge", "huge range", "endless"],
)
def test_hostile_file_is_refused_like_any(tmp_path: Path, text: bytes) -> None:
    """It costs neither memory nor a stack."""
    assert refusal(tmp_path, text)


def test_grid_that_multiplies_without_end_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """Forty settings of ten values are more than there are atoms in a person."""
    lists = "\n".join(f"a{place} = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for place in range(40))

    assert f"allowed are 1 to {MOST_POINTS}" in refusal(
        tmp_path, f'method = "grid"\n[settings]\n{lists}'
    )


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """So is a folder in its place."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="cannot take the sweep"):
            points(path)


def test_example_has_nine_points() -> None:
    """Three step sizes times three batch sizes, as docs/sweeps.md has it."""
    assert len(points(ROOT / "sweeps" / "learning-rate.toml")) == 9
