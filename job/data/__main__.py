"""`python -m job.data FOLDER`: have the verified dataset there, or say every place that was tried.

For warming a shared cache before the jobs start; `make data` ends with it.
"""

import sys
from pathlib import Path

from job.data import source
from job.data.spec import FASHION_MNIST
from job.errors import ExitCode, JobError, UsageError


def main(arguments: list[str]) -> int:
    """Print the folder that holds the dataset and return the exit code."""
    try:
        if len(arguments) != 1:
            raise UsageError("one folder is needed", fix="python -m job.data FOLDER")
        found = source.read(FASHION_MNIST, data_dir=Path(arguments[0]), offline=False)
    except JobError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{found.spec.name} is whole in {found.folder}\n")
    return ExitCode.FINISHED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
