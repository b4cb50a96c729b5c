"""What one check found, and a runner that lets no check hang the others or end them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from job.errors import JobError

Verdict = Literal["pass", "warn", "fail", "skip"]
Part = Literal["node", "volume"]

# So that a check that needs no hardware is not blamed for a slow one before it.
GRACE_SECONDS: Final = 0.1
UNEXPECTED_REMEDY: Final = (
    "the check itself broke, so the node cannot be vouched for: look into the kernel log (dmesg), "
    "try another node, and report this text if it comes back"
)
LATE_REMEDY: Final = (
    "something below waits for hardware that does not answer: look into the kernel log (dmesg) "
    "for NVRM, Xid or I/O errors, restart the node or take another"
)


@dataclass(frozen=True)
class Finding:
    """What a check has to say; the remedy is empty where there is nothing to do."""

    verdict: Verdict
    seen: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A finding with the check's name, how many seconds it took and what it was about."""

    name: str
    verdict: Verdict
    seen: str
    remedy: str
    seconds: float
    part: Part

    @property
    def story(self) -> str:
        """What was seen and, on a line of its own, the remedy of what is not well."""
        remedy = f"\nremedy: {self.remedy}" if self.remedy and self.verdict != "pass" else ""
        return self.seen + remedy


def perform(
    name: str, probe: Callable[[], Finding], *, part: Part, deadline: float = float("inf")
) -> Check:
    """Run `probe` until `deadline` (of `time.monotonic`); what it raises is a fail, never a skip.

    It runs in a thread, because a call into a broken driver may never return.
    """
    started = time.monotonic()
    findings: list[Finding] = []
    worker = threading.Thread(
        target=lambda: findings.append(_survive(probe)), name=f"preflight {name}", daemon=True
    )
    worker.start()
    worker.join(min(max(deadline - started, GRACE_SECONDS), threading.TIMEOUT_MAX))
    seconds = time.monotonic() - started
    finding = findings[0] if findings else _late(seconds)
    return Check(name, finding.verdict, finding.seen, finding.remedy, seconds, part)


def leave_out(name: str, reason: str, *, part: Part) -> Check:
    """A check that was not run, with the reason."""
    return Check(name, "skip", reason, "", 0.0, part)


def _survive(probe: Callable[[], Finding]) -> Finding:
    try:
        return probe()
    except JobError as error:
        return Finding("fail", error.seen, error.fix)
    except Exception as error:  # noqa: BLE001  # a broken check is a verdict on the node
        return Finding("fail", f"{type(error).__name__}: {error}", UNEXPECTED_REMEDY)


def _late(seconds: float) -> Finding:
    return Finding("fail", f"did not finish within {seconds:.1f} s", LATE_REMEDY)
