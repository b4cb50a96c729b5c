"""Claims about `job.preflight.table`."""

from rich.console import Console

from job.preflight.result import Preflight
from job.preflight.table import table
from job.preflight.verdict import Check


def _rendered(*checks: Check) -> str:
    preflight = Preflight(
        checks=checks,
        gpus=(),
        asked="auto",
        device="cpu",
        device_reason="auto: no GPU",
        driver=None,
        driver_cuda=None,
        node="node-7",
        inspected_at="2025-11-23T05:00:00+00:00",
        seconds=0.1,
    )
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(preflight))
    return capture.get()


def test_table_shows_checks_verdicts_times_and_the_choice() -> None:
    """What a person needs is on the screen."""
    text = _rendered(Check("matmul", "pass", "equal", "", 0.012, "node"))
    for words in ("Preflight of node-7: pass", "matmul", "equal", " 12 ", "cpu, because auto"):
        assert words in text


def test_remedy_is_shown_with_what_failed_only() -> None:
    """A remedy stands below its fault, and not below what is well."""
    failed = Check("cuda", "fail", "broken", "mend it", 0.0, "node")
    passed = Check("driver", "pass", "fine", "leave it", 0.0, "node")
    text = _rendered(failed, passed)
    assert "→ mend it" in text
    assert "leave it" not in text


def test_words_in_brackets_are_kept() -> None:
    """What programs say in brackets is not taken for markup."""
    text = _rendered(Check("[check]", "warn", "[seen]", "[remedy]", 0.0, "node"))
    for words in ("[check]", "[seen]", "[remedy]"):
        assert words in text
