"""Claims about `job.world.claims`."""

import pytest

from job.errors import SettingsError
from job.world.claims import Claim, Fact, Said, merge, only, read, require

RANK: dict[Fact, str] = {"rank": "RANK", "size": "WORLD_SIZE"}


def test_only_what_is_set_is_said() -> None:
    """An empty variable counts as unset, as with the settings."""
    claim = read({"RANK": "0", "WORLD_SIZE": "", "OTHER": "1"}, RANK)

    assert claim == {"rank": Said("RANK", 0)}
    assert str(claim["rank"]) == "RANK=0"


def test_address_is_taken_as_it_is() -> None:
    """It may well be a number, to a host's file."""
    assert read({"MASTER_ADDR": "10"}, {"address": "MASTER_ADDR"})["address"].value == "10"


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("rank", "-1"),
        ("rank", "+1"),
        ("rank", " 1"),
        ("rank", "1.0"),
        ("rank", "1_0"),
        ("rank", "٣"),
        ("size", "0"),
        ("local_size", "two"),
        ("nodes", "0"),
        ("port", "0"),
        ("port", "65536"),
    ],
)
def test_numbers_are_read_strictly(fact: Fact, text: str) -> None:
    """What Python would take for a number is none if no starter writes it so."""
    with pytest.raises(SettingsError) as caught:
        read({"NAME": text}, {fact: "NAME"})

    assert caught.value.seen == f"NAME={text}"
    assert "an integer, at least" in caught.value.allowed


@pytest.mark.parametrize(("fact", "text"), [("rank", "0"), ("size", "1"), ("port", "65535")])
def test_numbers_at_their_bounds_are_taken(fact: Fact, text: str) -> None:
    """Bounds are no narrower than they have to be."""
    assert read({"NAME": text}, {fact: "NAME"})[fact].value == int(text)


def test_sources_that_agree_are_one() -> None:
    """Each adds what it knows."""
    first: Claim = {"rank": Said("RANK", 1), "size": Said("WORLD_SIZE", 2)}
    second: Claim = {"rank": Said("SLURM_PROCID", 1), "nodes": Said("SLURM_STEP_NUM_NODES", 2)}

    assert merge(first, second) == {**second, **first}
    assert merge() == {}


def test_contradiction_prints_both_sides() -> None:
    """Whoever reads it knows which variables to look at."""
    with pytest.raises(SettingsError, match="RANK=1 contradicts SLURM_PROCID=2") as caught:
        merge({"rank": Said("RANK", 1)}, {"rank": Said("SLURM_PROCID", 2)})

    assert "unset" in caught.value.fix


@pytest.mark.parametrize(
    ("position", "count"), [("rank", "size"), ("local_rank", "local_size"), ("node", "nodes")]
)
def test_position_is_below_its_count(position: Fact, count: Fact) -> None:
    """The last of two is number 1."""
    assert merge({position: Said("A", 1), count: Said("B", 2)})
    with pytest.raises(SettingsError, match="A=2 is not below B=2"):
        merge({position: Said("A", 2)}, {count: Said("B", 2)})


def test_half_of_a_claim_is_refused() -> None:
    """The message says what is there, what is missing, and the two ways out."""
    with pytest.raises(SettingsError) as caught:
        require({"rank": Said("RANK", 1)}, RANK)

    assert caught.value.seen == "RANK=1 without WORLD_SIZE"
    assert caught.value.fix == "set WORLD_SIZE, or unset the others"


def test_whole_claim_and_none_are_complete() -> None:
    """Not to be set at all is no fault."""
    require({}, RANK)
    require({"rank": Said("RANK", 1), "size": Said("WORLD_SIZE", 2)}, RANK)


def test_some_facts_of_a_claim_can_be_had() -> None:
    """Those that it has of the ones asked for."""
    claim: Claim = {"rank": Said("RANK", 1), "size": Said("WORLD_SIZE", 2)}

    assert only(claim, "size", "port") == {"size": Said("WORLD_SIZE", 2)}
