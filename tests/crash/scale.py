"""How much the proofs do: as much as `make test` waits for, or all that `make torture` is for.

CRASH_SCALE=full pytest tests/crash
"""

import os


def of(quick: int, full: int) -> int:
    """`full` under CRASH_SCALE=full, `quick` without it or under CRASH_SCALE=quick."""
    sizes = {"quick": quick, "full": full}
    asked = os.environ.get("CRASH_SCALE") or "quick"
    if asked not in sizes:
        raise ValueError(f"CRASH_SCALE={asked}: allowed is {' or '.join(sizes)}")
    return sizes[asked]
