"""Threads that wait do not spin, and are no more than can run, unless somebody wants them to."""

import os
from pathlib import Path

import pytest

from job.settings.threads import (
    SPINS,
    THREADS,
    cores,
    keep_threads_within_quota,
    let_waiting_threads_sleep,
)


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests has no say."""
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv(THREADS, "")
    monkeypatch.delenv(THREADS)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


def test_waiting_threads_spin_only_shortly() -> None:
    """The runtime reads it when torch is imported."""
    let_waiting_threads_sleep()

    assert os.environ["GOMP_SPINCOUNT"] == SPINS


@pytest.mark.parametrize("variable", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_choice_of_the_environment_wins(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A site that has set either knows why."""
    monkeypatch.setenv(variable, "active")
    let_waiting_threads_sleep()

    assert os.environ[variable] == "active"
    assert os.environ.get("GOMP_SPINCOUNT", "active") == "active"


class Node:
    """What the kernel of a node says to a process, as files below a folder."""

    def __init__(self, folder: Path) -> None:
        """Say nothing yet."""
        self.membership, self.groups = folder / "cgroup", folder / "groups"

    def says(self, *membership: str, **limits: str) -> "Node":
        """The groups of the process, and a file each for `limits`, `__` being the slashes."""
        self.membership.write_text("".join(f"{line}\n" for line in membership))
        for name, text in limits.items():
            path = self.groups / name.replace("__", "/").replace("cpu_", "cpu.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    def cores(self) -> int:
        """What `cores` makes of it."""
        return cores(self.membership, self.groups)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node whose kernel says nothing."""
    return Node(tmp_path)


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a process may run on, wherever the tests run."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))


def test_without_control_groups_all_cores_count(node: Node) -> None:
    """A kernel without them says nothing."""
    assert node.cores() == 4


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [
        ("max 100000\n", 4),
        ("200000 100000\n", 2),
        ("250000 100000\n", 3),
        ("50000 100000\n", 1),
        ("100 100000\n", 1),
        ("6400000 100000\n", 4),
        ("", 4),
    ],
)
def test_quota_of_a_container_counts(node: Node, limit: str, allowed: int) -> None:
    """It sees its own group as the root; a part of a core is a core, and none is too few."""
    assert node.says("0::/", cpu_max=limit).cores() == allowed


def test_quota_of_an_outer_group_counts(node: Node) -> None:
    """A pod may have less than its containers; the least of all is what there is."""
    limits = {"pod__cpu_max": "100000 100000", "pod__inner__cpu_max": "300000 100000"}

    assert node.says("0::/pod/inner", **limits).cores() == 1
    assert node.says("0::/pod").cores() == 1
    assert node.says("0::/").cores() == 4


@pytest.mark.parametrize(("quota", "allowed"), [("-1", 4), ("150000", 2)])
def test_quota_of_version_1_counts(node: Node, quota: str, allowed: int) -> None:
    """It has two files, and -1 where there is no limit."""
    limits = {"cpu__pod__cpu_cfs_quota_us": quota, "cpu__pod__cpu_cfs_period_us": "100000"}
    node.says("3:memory:/other", "2:cpu,cpuacct:/pod", "0::/", **limits)

    assert node.cores() == allowed


def test_container_that_is_told_its_path_on_the_host_finds_its_quota(node: Node) -> None:
    """There is no such folder; what it sees as the root is its own."""
    limits = {"cpu__cpu_cfs_quota_us": "200000", "cpu__cpu_cfs_period_us": "100000"}

    assert node.says("2:cpu:/docker/1f", **limits).cores() == 2


def test_threads_are_as_many_as_the_quota_is_worth(node: Node) -> None:
    """One for each core of the node would only wait for each other's turn."""
    node.says("0::/", cpu_max="200000 100000")
    keep_threads_within_quota(node.membership, node.groups)

    assert os.environ[THREADS] == "2"


def test_without_a_quota_the_runtime_chooses(node: Node) -> None:
    """It may know better, such as which cores are two halves of one."""
    keep_threads_within_quota(node.membership, node.groups)

    assert THREADS not in os.environ


def test_number_of_threads_in_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, node: Node
) -> None:
    """Manifests and batch scripts name it."""
    monkeypatch.setenv(THREADS, "3")
    node.says("0::/", cpu_max="100000 100000")
    keep_threads_within_quota(node.membership, node.groups)

    assert os.environ[THREADS] == "3"


def test_this_machine_says_how_many_cores_there_are() -> None:
    """Wherever the tests run: at least one, and no more than are in sight."""
    assert 1 <= cores() <= 4
