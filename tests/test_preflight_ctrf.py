"""Claims about `job.preflight.ctrf`."""

import json
import re
from typing import Any, Final

from hypothesis import example, given

from job.preflight.ctrf import document
from job.preflight.result import Preflight
from job.preflight.verdict import Check
from test_preflight_junit import CHECKS, TEXT, preflight

# The properties that all versions of the format have, by the type that each must be of.
SUMMARY: Final = ("tests", "passed", "failed", "pending", "skipped", "other", "start", "stop")
TEST: Final = {"name": str, "status": str, "duration": int, "message": str, "rawStatus": str}
TEST_EXTRAS: Final = {"tags": list, "extra": dict}
STATUSES: Final = {"passed", "failed", "skipped", "pending", "other"}


def read(found: Preflight, facts: dict[str, str] | None = None) -> Any:
    """The results as JSON gives them back, after they were held against the format."""
    told = json.loads(json.dumps(document(found, facts or {}), allow_nan=False))
    assert told.keys() == {"reportFormat", "specVersion", "results"}
    assert told["reportFormat"] == "CTRF"
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["specVersion"])
    results = told["results"]
    assert results.keys() == {"tool", "summary", "tests", "environment"}
    assert results["tool"]["name"]
    assert results["environment"].keys() == {"reportName", "extra"}
    assert {key: type(value) for key, value in results["summary"].items()} == dict.fromkeys(
        SUMMARY, int
    )
    for test in results["tests"]:
        assert {key: type(value) for key, value in test.items()} == TEST | TEST_EXTRAS
        assert test["status"] in STATUSES
    return results


def test_summary_counts_the_tests() -> None:
    """A check that warns counts as passed, and nothing is counted twice."""
    summary = read(preflight(*CHECKS))["summary"]

    assert [summary[key] for key in SUMMARY[:6]] == [4, 2, 1, 0, 1, 0]


def test_summary_spans_the_inspection() -> None:
    """Milliseconds since 1970, from the first check to the last."""
    summary = read(preflight(*CHECKS))["summary"]

    assert (summary["start"], summary["stop"]) == (1_763_873_998_000, 1_763_874_000_000)


def test_each_check_is_a_test_with_verdict_time_and_story() -> None:
    """The verdict stands beside the status, because the format has no warning."""
    tests = read(preflight(*CHECKS))["tests"]

    assert [(each["name"], each["status"], each["rawStatus"]) for each in tests] == [
        ("driver", "passed", "pass"),
        ("copies", "passed", "warn"),
        ("matmul", "failed", "fail"),
        ("output write", "skipped", "skip"),
    ]
    assert [each["duration"] for each in tests] == [250, 1500, 2, 0]
    assert [each["tags"] for each in tests] == [["node"], ["node"], ["node"], ["volume"]]
    assert tests[0]["message"] == "580 will do"
    assert tests[1]["message"] == "1 GB/s\nremedy: use another slot"
    assert tests[2]["extra"] == {"seen": "3 of 9 differ", "remedy": "drain the node"}


def test_facts_are_of_the_environment() -> None:
    """With the node in the report's name."""
    environment = read(preflight(*CHECKS), {"driver": "580.95.05"})["environment"]

    assert environment == {"reportName": "preflight of node-7", "extra": {"driver": "580.95.05"}}


@example(seen="\ud800", remedy="a\udfffb")
@given(seen=TEXT, remedy=TEXT)
def test_document_is_unicode_whatever_a_check_has_seen(seen: str, remedy: str) -> None:
    """A lone surrogate, which readers in other languages refuse, is in none of its strings."""
    check = Check(seen or "name", "fail", seen, remedy, 0.1, "node")
    found = read(preflight(check, node=seen), {seen: remedy})
    text = json.dumps(found, ensure_ascii=False)

    assert text.encode().decode() == text
    assert found["tests"][0]["extra"]["seen"] == re.sub("[\ud800-\udfff]", "?", seen)
