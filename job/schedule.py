"""The learning rate as a pure function of the step, so that no scheduler has a state to save."""

import math
from collections.abc import Callable
from typing import Final

Schedule = Callable[[int], float]

# The defaults of torch.optim.lr_scheduler.OneCycleLR, which this is tested to equal.
WARM_UP_SHARE: Final = 0.3
INITIAL_DIVISOR: Final = 25.0
FINAL_DIVISOR: Final = 1e4


def constant(learning_rate: float) -> Schedule:
    """Return the same rate for every step."""
    return lambda _step: learning_rate


def one_cycle(peak: float, steps: int) -> Schedule:
    """Rise from peak / 25 to `peak`, then fall to peak / 250,000, both along a cosine.

    Source: Smith and Topin, "Super-Convergence", in the form of torch's `OneCycleLR`.
    """
    start, end = peak / INITIAL_DIVISOR, peak / INITIAL_DIVISOR / FINAL_DIVISOR
    top = WARM_UP_SHARE * steps - 1

    def rate(step: int) -> float:
        if step <= top:
            return _cosine(start, peak, step / top)
        return _cosine(peak, end, (step - top) / (steps - 1 - top))

    return rate


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
