"""Claims about `job.preflight.verdict`."""

import threading
import time

from job.errors import OutputError
from job.preflight.verdict import Finding, leave_out, perform


def test_check_carries_its_finding_and_its_time() -> None:
    """What the probe found is kept to the letter, with the seconds that it took."""
    finding = Finding("warn", "seen", "remedy")

    def probe() -> Finding:
        time.sleep(0.02)
        return finding

    check = perform("name", probe, part="volume")
    assert (check.name, check.part) == ("name", "volume")
    assert Finding(check.verdict, check.seen, check.remedy) == finding
    assert check.seconds >= 0.02


def test_unexpected_exception_is_a_fail_that_names_it() -> None:
    """A check that breaks fails, and is never skipped."""

    def probe() -> Finding:
        raise ZeroDivisionError("seven over nothing")

    check = perform("name", probe, part="node")
    assert check.verdict == "fail"
    assert check.seen == "ZeroDivisionError: seven over nothing"
    assert check.remedy


def test_error_of_the_family_keeps_its_fix_as_the_remedy() -> None:
    """An error that knows its fix is not covered by a general remedy."""

    def probe() -> Finding:
        raise OutputError("cannot write", fix="mount it")

    check = perform("name", probe, part="volume")
    assert (check.verdict, check.seen, check.remedy) == ("fail", "cannot write", "mount it")


def test_hanging_check_fails_at_the_deadline() -> None:
    """A call that never returns costs the time up to the deadline and no more."""
    never = threading.Event()

    def probe() -> Finding:
        never.wait(30)
        return Finding("pass", "too late")

    started = time.monotonic()
    check = perform("name", probe, part="node", deadline=started + 0.2)
    never.set()
    assert check.verdict == "fail"
    assert check.seen.startswith("did not finish within 0.")
    assert 0.15 < time.monotonic() - started < 5


def test_quick_check_passes_though_the_deadline_is_over() -> None:
    """A slow check before it is not blamed on one that needs next to no time."""

    def probe() -> Finding:
        time.sleep(0.02)
        return Finding("pass", "quick")

    assert perform("name", probe, part="node", deadline=0.0).verdict == "pass"


def test_left_out_check_is_a_skip_with_the_reason() -> None:
    """What was not run says why."""
    check = leave_out("name", "no ground", part="node")
    assert (check.verdict, check.seen, check.seconds) == ("skip", "no ground", 0.0)
