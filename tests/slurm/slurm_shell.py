"""A cluster to try things on: opens a shell on its login node, and stops the cluster at its end.

`make slurm-cluster` starts it. The shell is the one of an ordinary user in a clone of the project.
"""

import os
import subprocess
import sys
from typing import Final

from slurm_user import NAME, user_of_a_cluster

WELCOME: Final = f"""\
You are {NAME} on the login node of a Slurm cluster with four nodes of two simulated GPUs each.
The dataset is a small one, and JOB_DEVICE=cpu is set. `exit` stops the cluster. Try:

  sbatch slurm/train.sh          sinfo, squeue          tail -f slurm-1.out
"""


def main() -> int:
    """Run the shell, or what stands on standard input; return its exit code."""
    with user_of_a_cluster(nodes=4) as user:
        sys.stderr.write(WELCOME)
        shell = {"JOB_DEVICE": "cpu", "TERM": os.environ.get("TERM", "dumb"), "PS1": r"\u@\h$ "}
        return subprocess.run(
            user.argv("bash", "--noprofile", "--norc"),
            cwd=user.clone,
            env={**user.environment, **shell},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
