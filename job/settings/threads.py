"""Lets threads of the matrix products sleep while they wait for each other.

torch's OpenMP runtime spins at the end of every parallel region, some three hundred thousand times.
On cores that are shared, the thread that spins keeps the one that it waits for from running:
with one busy neighbour on two cores a step of the quickstart took 125 ms instead of 4 ms.
"""

import os
from typing import Final

# 100 cost a wake-up in every region (2.6 ms of products a step for 1.7). Beside a busy neighbour an
# epoch of the fused step took 4 s with 2,000, 5 to 10 s with 5,000 and 8 to 11 s with 10,000.
SPINS: Final = "2000"


def let_waiting_threads_sleep() -> None:
    """Tell the OpenMP runtime, unless the environment does; call it before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
