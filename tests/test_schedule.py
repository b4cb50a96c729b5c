"""Claims about `job.schedule`."""

import pytest
import torch

from job.schedule import constant, one_cycle


def _rates_of_torch(peak: float, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=steps, cycle_momentum=False
    )
    rates = []
    for step in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return rates


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 7, 10, 11, 100, 1001])
def test_one_cycle_equals_torchs(steps: int) -> None:
    """Every rate of a run, long or short, is that of `OneCycleLR` with its defaults."""
    rate = one_cycle(0.02, steps)

    assert [rate(step) for step in range(steps)] == pytest.approx(
        _rates_of_torch(0.02, steps), rel=1e-12
    )


def test_one_cycle_rises_to_the_peak_and_falls_to_nearly_nothing() -> None:
    """It starts at peak / 25, has its peak at 30 % and ends at peak / 250,000."""
    rate = one_cycle(0.5, 100)

    assert (rate(0), rate(29), rate(99)) == pytest.approx((0.5 / 25, 0.5, 0.5 / 250_000))
    assert max(map(rate, range(100))) == rate(29)


def test_rate_does_not_depend_on_what_was_asked_before() -> None:
    """A resumed run, which asks for the last steps only, gets the same rates."""
    asked, fresh = one_cycle(0.1, 50), one_cycle(0.1, 50)

    from_the_end = [asked(step) for step in reversed(range(50))]
    assert from_the_end[::-1] == [fresh(step) for step in range(50)]


def test_constant_is_the_same_at_every_step() -> None:
    """The quickstart's rate never changes."""
    assert {constant(1e-3)(step) for step in (0, 1, 9379)} == {1e-3}
