"""`python -m job.data FOLDER`: have the verified dataset there, or say every place that was tried.

For warming a shared cache before the jobs start; `make data` ends with it.
"""

import sys
from pathlib import Path
from typing import Final

from job.data import source
from job.data.spec import FASHION_MNIST
from job.errors import ExitCode, JobError, UsageError

USAGE: Final = "python -m job.data FOLDER"
HELP: Final = f"""\
usage: {USAGE}

Finds Fashion-MNIST in FOLDER or on this machine, or fetches it into FOLDER; verifies every byte,
and says where it is. A folder whose name begins with a dash is ./-NAME.
"""


def main(arguments: list[str]) -> int:
    """Print the folder that holds the dataset, or the help, and return the exit code."""
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(HELP)
        return ExitCode.FINISHED
    try:
        found = source.read(FASHION_MNIST, data_dir=_folder(arguments), offline=False)
    except JobError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{found.name} is whole in {found.folder}\n")
    return ExitCode.FINISHED


def _folder(arguments: list[str]) -> Path:
    flags = [each for each in arguments if each.startswith("-")]
    if flags:
        raise UsageError(f"no such flag: {' '.join(flags)}", allowed="--help", fix=USAGE)
    if len(arguments) != 1:
        raise UsageError("one folder is needed", fix=USAGE)
    return Path(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
