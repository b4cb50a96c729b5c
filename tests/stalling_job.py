"""`python -m job` over a small dataset, as in `small_job.py`, that gets stuck on the way.

python tests/stalling_job.py PLACES FOLDER [command] [flags]

The training loop comes to that many places where it could be stopped, and to no further one.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

from small_job import run_small_job


def run_stalling_job() -> int:
    """Let the training loop wait for what never comes, then be the job."""
    from job import run  # noqa: PLC0415  # `small_job` has the path
    from job.train import Position, train  # noqa: PLC0415

    places = int(sys.argv.pop(1))

    def stalling_train(*arguments: Any) -> Iterator[Position]:
        for done, position in enumerate(train(*arguments)):
            if done == places:
                time.sleep(3600)
            yield position

    vars(run)["train"] = stalling_train
    return run_small_job()


if __name__ == "__main__":
    sys.exit(run_stalling_job())
