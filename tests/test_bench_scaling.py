"""docs/scaling.md says what was measured; what it computes are the formulae of its sources."""

import json
from pathlib import Path
from typing import Any, Final

import allreduce
import pytest
import scaling
import torch
from allreduce import CLUSTERS, GBE_100, GIGA, MICRO, NVLINK_4, PCIE_5, Cluster
from scaling import LEAST_BYTES, MOST_BYTES, OWN_BYTES, VOTE_BYTES

from job.model import build

FAILURES: Final = Path(__file__).parents[1] / "bench" / "results" / "failures.json"
HOP, BANDWIDTH = 300 * MICRO, 2 * GIGA
DRIFT: Final = (1.0, 1.1, 0.9)  # of the whole machine, so that ratios have no spread


def world(size: int, shared: float) -> dict[str, list[float]]:
    """What a world of several ranks would tell whose links are as the formula has them."""
    sizes = (VOTE_BYTES, LEAST_BYTES, OWN_BYTES, MOST_BYTES)
    exchanges = {
        f"exchange {exchanged}": [allreduce.ring(size, exchanged, HOP, BANDWIDTH)]
        for exchanged in sizes
    }
    return {"shared": [shared], "ddp": [1.2 * shared], **exchanges}


def ranks(rounds: int = 3) -> dict[str, Any]:
    """Numbers as bench/ranks.py would have measured them."""
    worlds = {
        "1": {"eager": [0.002], "fused": [0.0015]},
        "2": world(2, 0.006),
        "4": world(4, 0.014),
    }
    drifted = [
        {
            size: {name: [drift * time for time in times] for name, times in told.items()}
            for size, told in worlds.items()
        }
        for drift in DRIFT[:rounds]
    ]
    noise = {"load_before": [0.5, 0, 0]}
    return {
        "machine": {"processor": "A processor", "cores": 2, "versions": {"torch": "2.14"}},
        "rounds": [{"noise": noise, "worlds": each} for each in drifted],
    }


def page(measured: dict[str, Any]) -> str:
    """The page with the committed failures."""
    return scaling.page(measured, json.loads(FAILURES.read_text()))


def test_committed_page_is_made_of_the_committed_numbers() -> None:
    """`make scaling` mends it."""
    measured = json.loads((scaling.RESULTS / "ranks.json").read_text())

    assert scaling.PAGE.read_text() == page(measured)


def test_page_says_how_much_slower_several_ranks_are() -> None:
    """In its first lines, as ratios within rounds."""
    top = page(ranks()).partition("## ")[0]

    assert "3.00 (3.00 to 3.00) times as long" in top
    assert "7.00 (7.00 to 7.00) times" in top


def test_page_of_one_round_claims_no_interval() -> None:
    """A trial run shows as one."""
    assert "3.00 (one round)" in page(ranks(rounds=1))


def test_page_of_no_round_is_not_made() -> None:
    """Whoever asks for it is told the command."""
    with pytest.raises(SystemExit, match="make scaling"):
        scaling.slowdown(ranks(rounds=0), "2")


def test_fit_finds_the_hop_and_the_bandwidth() -> None:
    """From the two sizes that two ranks exchanged; the others are predicted."""
    hop, bandwidth = scaling.fitted(ranks())

    assert hop == pytest.approx(HOP)
    assert bandwidth == pytest.approx(BANDWIDTH)
    assert page(ranks()).count("| 4 | 2,678,828 | 3.81 | 3.81 |") == 1


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.9, "10% below"), (1.5, "between"), (2.2, "10% above")]
)
def test_verdict_says_where_the_measurement_lies(seconds: float, told: str) -> None:
    """Beside what links of one's own, and a road for all, would take."""
    assert scaling._verdict(seconds, own=1.0, road=2.0) == told


def test_page_waits_until_both_benches_have_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of its numbers make no page."""
    monkeypatch.setattr(scaling, "RESULTS", tmp_path)
    monkeypatch.setattr(scaling, "PAGE", tmp_path / "page.md")
    (tmp_path / "failures.json").write_bytes(FAILURES.read_bytes())

    scaling.publish()
    assert "no ranks.json yet" in capsys.readouterr().out
    assert not scaling.PAGE.exists()
    (tmp_path / "ranks.json").write_text(json.dumps(ranks()))
    scaling.publish()
    assert scaling.PAGE.read_text() == page(ranks())


def test_exchanged_bytes_are_those_of_the_gradient() -> None:
    """All weights and the count of images, as the shared step sends them."""
    weights = sum(each.numel() for each in build(0, 0.0, torch.device("cpu")).parameters())

    assert 4 * (weights + 1) == OWN_BYTES


@pytest.mark.parametrize(
    ("cluster", "microseconds"),
    [
        (Cluster(1, 8, NVLINK_4), 14.0 + 2 * 7 * 1.25),
        (Cluster(1, 8, PCIE_5), 8.4 + 14 * 5.7),
        (Cluster(2, 8, NVLINK_4, GBE_100), 48.5),
        (Cluster(4, 8, NVLINK_4, GBE_100), 65.5),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_latency_is_that_of_nccls_own_estimate(cluster: Cluster, microseconds: float) -> None:
    """Calculated by hand from its tables, where no bytes are sent."""
    assert allreduce.seconds(cluster, 0) == pytest.approx(microseconds * MICRO)


def test_many_bytes_go_at_the_speed_of_the_narrowest_link() -> None:
    """Twice 15/16 of them through the node's one adapter."""
    cluster = Cluster(2, 8, NVLINK_4, GBE_100)

    assert allreduce.seconds(cluster, 1e12) == pytest.approx(1.875 * 1e12 / GBE_100, rel=1e-4)
    assert allreduce.slope(cluster) == pytest.approx(1.875 / GBE_100)


def test_two_ranks_have_the_road_to_themselves() -> None:
    """What they share is what was measured of them; four get half of it each."""
    assert allreduce.one_road(2, 1e6, HOP, BANDWIDTH) == allreduce.ring(2, 1e6, HOP, BANDWIDTH)
    assert allreduce.one_road(4, 1e6, 0, BANDWIDTH) == 2 * allreduce.ring(4, 1e6, 0, BANDWIDTH)


def test_no_cluster_exchanges_the_gradient_in_the_time_that_it_could_save() -> None:
    """The page says so: the arithmetic of a batch of 64 is all that could be divided."""
    arithmetic = scaling.BATCH * scaling.FLOP_PER_IMAGE / scaling.FP32_PEAK

    assert min(allreduce.seconds(cluster, OWN_BYTES) for cluster in CLUSTERS) > 5 * arithmetic
