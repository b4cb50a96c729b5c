"""Derives independent seeds from the run's one seed: pure, the same on every machine.

Resume is exact because of this: what is random in a step depends on (seed, purpose, epoch, step)
and on nothing that happened before.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a derived seed is for; the numbers are part of every run's result, so they stay."""

    ORDER = 0
    FLIPS = 1
    DROPOUT = 2


def derive(seed: int, purpose: Purpose, index: int) -> int:
    """Return a seed in [0, 2**63) for the `index`-th epoch or step."""
    state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
