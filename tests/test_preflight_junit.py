"""Claims about `job.preflight.junit`."""

import re
from typing import Any, Final
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from job.preflight.junit import document
from job.preflight.result import Preflight
from job.preflight.verdict import Check

# What Jenkins' JUnit 10 and GitLab's reader know: the attributes and children of each element.
ALLOWED: Final[dict[str, tuple[set[str], set[str]]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "hostname", "timestamp", "time", "tests", "failures", "errors", "skipped"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "skipped", "system-out"}),
    "failure": ({"type", "message"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}
# Any characters, and often those that only a broken program prints.
TEXT: Final = st.text(st.sampled_from("a\t\r\n\x00\x1b\ud800\udfff\ufffe") | st.characters())
TIME: Final = re.compile(r"[0-9]+\.[0-9]{3}")
CHECKS: Final = (
    Check("driver", "pass", "580 will do", "not told", 0.25, "node"),
    Check("copies", "warn", "1 GB/s", "use another slot", 1.5, "node"),
    Check("matmul", "fail", "3 of 9 differ", "drain the node", 0.002, "node"),
    Check("output write", "skip", "not tried", "", 0.0, "volume"),
)


def preflight(*checks: Check, **facts: Any) -> Preflight:
    """A preflight of `node-7` that took two seconds and ended at five."""
    known: dict[str, Any] = {"gpus": (), "driver": None, "driver_cuda": None, "asked": "auto"}
    known |= {"device": "cpu", "device_reason": "auto: no GPU", "node": "node-7"}
    known |= {"inspected_at": "2025-11-23T05:00:00+00:00", "seconds": 2.0}
    return Preflight(checks=checks, **{**known, **facts})


def read(found: Preflight, facts: dict[str, str] | None = None) -> Element:
    """The document as a parser has it, after every element was held against `ALLOWED`."""
    root = fromstring(document(found, facts or {}))  # noqa: S314  # our own document
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) == attributes
        assert {child.tag for child in element} <= children
        assert TIME.fullmatch(element.get("time", "0.000"))
    return root


def case(root: Element, name: str) -> Element:
    """The test case of that name."""
    (found,) = (each for each in root.iter("testcase") if each.get("name") == name)
    return found


def test_suite_counts_what_it_holds() -> None:
    """Collectors show the sums without looking at the cases."""
    root = read(preflight(*CHECKS))
    suite = root[0]

    for sums in (root, suite):
        assert [sums.get(key) for key in ("tests", "failures", "errors")] == ["4", "1", "0"]
    assert suite.get("skipped") == "1"
    assert len(suite.findall("testcase")) == 4


def test_suite_says_which_node_and_when() -> None:
    """The start in UTC, without an offset, which older readers do not take."""
    suite = read(preflight(*CHECKS))[0]

    assert (suite.get("name"), suite.get("hostname")) == ("preflight of node-7", "node-7")
    assert (suite.get("timestamp"), suite.get("time")) == ("2025-11-23T04:59:58", "2.000")


def test_failed_check_is_a_failure_with_its_remedy() -> None:
    """What was seen is the message; the text has what to do about it."""
    failure = case(read(preflight(*CHECKS)), "matmul").find("failure")

    assert failure is not None
    assert failure.get("message") == "3 of 9 differ"
    assert failure.text == "3 of 9 differ\nremedy: drain the node"


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("driver", "pass: 580 will do"),
        ("copies", "warn: 1 GB/s\nremedy: use another slot"),
    ],
)
def test_check_that_passes_or_warns_is_a_passed_test_with_output(name: str, output: str) -> None:
    """JUnit has no warning; a test without failure and skip has passed."""
    found = case(read(preflight(*CHECKS)), name)

    assert [(child.tag, child.text) for child in found] == [("system-out", output)]


def test_skipped_check_is_a_skipped_test_with_its_reason() -> None:
    """And a check of the volume is told apart from those of the node."""
    found = case(read(preflight(*CHECKS)), "output write")

    assert found.get("classname") == "preflight.volume"
    assert [(child.tag, child.get("message")) for child in found] == [("skipped", "not tried")]


def test_facts_are_properties_of_the_suite() -> None:
    """Driver, GPUs and versions, for whoever compares nodes."""
    root = read(preflight(*CHECKS), {"driver": "580.95.05", "GPU 0": "NVIDIA H100 <80GB>"})
    found = {each.get("name"): each.get("value") for each in root.iter("property")}

    assert found == {"driver": "580.95.05", "GPU 0": "NVIDIA H100 <80GB>"}


@example(seen="\ud800", remedy="a\udfffb")
@given(seen=TEXT, remedy=TEXT)
def test_document_can_be_read_whatever_a_check_has_seen(seen: str, remedy: str) -> None:
    """Control characters and lone surrogates are what a broken driver prints; all else is kept."""
    check = Check("driver", "fail", seen, remedy, 0.1, "node")
    root = read(preflight(check, node=seen), {seen: remedy})
    failure = root.find(".//failure")

    assert failure is not None
    kept = "".join(each if is_xml(each) else "\ufffd" for each in seen)
    assert failure.get("message") == kept


def is_xml(character: str) -> bool:
    """Whether XML 1.0 has it, as the standard lists them (2.2, Char)."""
    code = ord(character)
    ranges = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    return code in {0x9, 0xA, 0xD} or any(low <= code <= high for low, high in ranges)


def test_document_says_its_encoding() -> None:
    """And the same preflight gives the same bytes."""
    written = document(preflight(*CHECKS), {"GPU 0": "Grafikkarte für alle"})

    assert written == document(preflight(*CHECKS), {"GPU 0": "Grafikkarte für alle"})
    assert written.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n<testsuites')
    assert "für".encode() in written
