"""The preflight in the Common Test Report Format (ctrf.io): JSON for collectors of test results.

Only what all versions of the format have. It has no warning: a check that warns is a test that
passed, with its message, and `rawStatus` says `warn`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from job.preflight.result import Preflight
from job.preflight.verdict import Check, Verdict

SPEC_VERSION: Final = "0.0.0"
TOOL: Final = "fashion-mnist-job preflight"
STATUSES: Final[dict[Verdict, str]] = {
    "pass": "passed",
    "warn": "passed",
    "fail": "failed",
    "skip": "skipped",
}


def document(preflight: Preflight, facts: Mapping[str, str]) -> dict[str, Any]:
    """One test for each check, with `facts` as the extra facts of the environment.

    Times are milliseconds, those of a clock since 1970. A lone surrogate, which strict readers of
    JSON refuse, becomes a question mark.
    """
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "results": {
            "tool": {"name": TOOL},
            "summary": _summary(preflight),
            "tests": [_test(check) for check in preflight.checks],
            "environment": {
                "reportName": _printable(f"preflight of {preflight.node}"),
                "extra": {_printable(name): _printable(value) for name, value in facts.items()},
            },
        },
    }


def _summary(preflight: Preflight) -> dict[str, int]:
    stop = _milliseconds(datetime.fromisoformat(preflight.inspected_at).timestamp())
    return {
        "tests": len(preflight.checks),
        "passed": preflight.count("pass") + preflight.count("warn"),
        "failed": preflight.count("fail"),
        "pending": 0,
        "skipped": preflight.count("skip"),
        "other": 0,
        "start": stop - _milliseconds(preflight.seconds),
        "stop": stop,
    }


def _test(check: Check) -> dict[str, Any]:
    return {
        "name": _printable(check.name),
        "status": STATUSES[check.verdict],
        "duration": _milliseconds(check.seconds),
        "message": _printable(check.story),
        "rawStatus": check.verdict,
        "tags": [check.part],
        "extra": {"seen": _printable(check.seen), "remedy": _printable(check.remedy)},
    }


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()
