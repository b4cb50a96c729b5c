"""What ranks tell each other of one that failed or fell silent: in words, and by its exit code."""

import json
import socket
from dataclasses import asdict, dataclass
from typing import Self

from torch.distributed.distributed_c10d import Store

from job.errors import POLICIES, ExitCode, InterruptedRunError, JobError, kind_of

KEY = "lost"


@dataclass(frozen=True)
class Loss:
    """Which rank was lost and how that showed; `exit_code` is its own, if it has said one.

    `unfit_node` as in `JobError`: not always the node of that rank.
    """

    seen: str
    exit_code: int = ExitCode.INTERRUPTED
    unfit_node: str = ""

    @classmethod
    def by(cls, error: BaseException, rank: int) -> Self:
        """That of a rank of this host which ends with an error."""
        seen = f"rank {rank} on {socket.gethostname()}: {error!r}"
        if isinstance(error, JobError):
            return cls(seen, error.exit_code, error.unfit_node)
        return cls(seen)

    def error(self, fix: str) -> JobError:
        """What the others leave with.

        The same where the next attempt would end alike: a scheduler looks at the highest code of
        all ranks, and would try again for the 75 of those that are well.
        """
        if POLICIES[ExitCode(self.exit_code)].slurm == "no requeue":
            return kind_of(ExitCode(self.exit_code))(self.seen, fix=fix)
        return InterruptedRunError(self.seen, fix=fix, unfit_node=self.unfit_node)


def tell_loss(store: Store, loss: Loss) -> Loss:
    """Tell all ranks of a loss; return the one that was told first."""
    return _read(store.compare_set(KEY, "", json.dumps(asdict(loss))))


def told_loss(store: Store) -> Loss | None:
    """The loss that was told."""
    return _read(store.get(KEY)) if store.check([KEY]) else None


def _read(told: bytes) -> Loss:
    return Loss(**json.loads(told))
