"""`python -m job` over a small generated dataset: the real program, with another dataset's digests.

    python tests/small_job.py FOLDER [command] [flags]

FOLDER holds what `datasets.small_dataset` wrote there with its default arguments.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def run_small_job() -> int:
    """Swap the description of the dataset before anything reads it, then be the job."""
    from datasets import small_dataset  # noqa: PLC0415  # the path above comes first
    from job.__main__ import main  # noqa: PLC0415
    from job.data import spec  # noqa: PLC0415

    folder = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as copy:
        spec.FASHION_MNIST = small_dataset(Path(copy))  # type: ignore[misc]  # that is the point
    sys.argv[1:1] = [] if len(sys.argv) > 1 and sys.argv[1][0] != "-" else ["train"]
    sys.argv += ["--data-dir", folder]
    return main()


if __name__ == "__main__":
    from job.__main__ import leave
    from job.logs import outlive_readers

    outlive_readers()
    leave(run_small_job())
