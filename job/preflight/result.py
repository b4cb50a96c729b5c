"""The outcome of a preflight: all checks, the device that was chosen, and whether to go on."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from job.errors import ExitCode, OutputError, UnfitNodeError
from job.preflight.nvidia_smi import Gpu
from job.preflight.verdict import Check, Part, Verdict

Device = Literal["cuda", "mps", "cpu"]
AskedDevice = Literal["auto", "cuda", "mps", "cpu"]

SCHEMA_VERSION: Final = 1
FROM_BEST_TO_WORST: Final[tuple[Verdict, ...]] = ("skip", "pass", "warn", "fail")


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What the node looked like; times in seconds, `inspected_at` in UTC as ISO 8601."""

    checks: tuple[Check, ...]
    gpus: tuple[Gpu, ...]
    asked: AskedDevice
    device: Device
    device_reason: str
    driver: str | None
    driver_cuda: str | None
    node: str
    inspected_at: str
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        return max((check.verdict for check in self.checks), key=FROM_BEST_TO_WORST.index)

    @property
    def fit(self) -> bool:
        """Whether no check failed."""
        return self.verdict != "fail"

    def count(self, verdict: Verdict) -> int:
        """How many checks have come to that verdict."""
        return sum(check.verdict == verdict for check in self.checks)

    @property
    def volume_is_usable(self) -> bool:
        """Whether no check of the output volume failed."""
        return not self._failed("volume")

    @property
    def exit_code(self) -> ExitCode:
        """How `python -m job preflight` ends: it insists on more than a run under `auto` does."""
        if self._failed("node"):
            return ExitCode.UNFIT_NODE
        return ExitCode.OUTPUT if self._failed("volume") else ExitCode.FINISHED

    def require_fit(self, node_name: str | None = None) -> None:
        """Go on or raise: under `auto` a GPU that failed has already been passed over.

        Raises `UnfitNodeError` if the device was insisted on and a check of the node failed,
        `OutputError` if one of the output volume did; both with what was seen and the remedies.
        `node_name` is what a scheduler calls the node, if not as it calls itself.
        """
        # The node goes first: another one may also have the volume.
        if self.asked in ("cuda", "mps") and (failed := self._failed("node")):
            allowed = f"JOB_DEVICE={self.asked} insists on it; auto takes what works"
            raise UnfitNodeError(
                _seen(failed),
                allowed=allowed,
                fix=_remedies(failed),
                unfit_node=node_name or self.node,
            )
        if failed := self._failed("volume"):
            raise OutputError(_seen(failed), fix=_remedies(failed))

    def as_json(self) -> dict[str, Any]:
        """All of it for `preflight.json`."""
        summary = {"schema_version": SCHEMA_VERSION, "verdict": self.verdict, "fit": self.fit}
        return {**summary, "exit_code": int(self.exit_code), **asdict(self)}

    def _failed(self, part: Part) -> list[Check]:
        return [check for check in self.checks if check.verdict == "fail" and check.part == part]


def _seen(failed: list[Check]) -> str:
    return "\n".join(f"{check.name}: {check.seen}" for check in failed)


def _remedies(failed: list[Check]) -> str:
    return "\n".join(dict.fromkeys(check.remedy for check in failed if check.remedy))
