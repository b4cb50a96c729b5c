"""Threads that wait do not spin, unless somebody wants them to."""

import os

import pytest

from job.settings.threads import SPINS, let_waiting_threads_sleep


@pytest.fixture(autouse=True)
def _no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests has no say."""
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")
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
