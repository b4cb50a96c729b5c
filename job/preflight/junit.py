"""The preflight as JUnit XML, for Jenkins, GitLab and whatever else collects test results.

The form is what Jenkins' xunit plugin calls JUnit 10, without what only some readers know. JUnit
has no warning: a check that warns is a test that passed, and what it said is its output.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from job.preflight.result import Preflight
from job.preflight.verdict import Check

SUITE: Final = "preflight"
# All others make a document that no XML parser reads, and a broken driver may print any.
NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT: Final = "\ufffd"


def document(preflight: Preflight, facts: Mapping[str, str]) -> bytes:
    """One suite for the node, one test case for each check, `facts` as the suite's properties.

    UTF-8; times are seconds, the timestamp is the start in UTC. Characters that XML cannot hold
    become U+FFFD.
    """
    suites = Element("testsuites", {"name": SUITE, **_sums(preflight)})
    suite = SubElement(suites, "testsuite", {**_title(preflight), **_sums(preflight)})
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", name=_printable(name), value=_printable(value))
    for check in preflight.checks:
        _add(suite, check)
    indent(suites)
    text = tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _title(preflight: Preflight) -> dict[str, str]:
    started = datetime.fromisoformat(preflight.inspected_at) - timedelta(seconds=preflight.seconds)
    return {
        "name": _printable(f"{SUITE} of {preflight.node}"),
        "hostname": _printable(preflight.node),
        "timestamp": started.replace(tzinfo=None).isoformat(timespec="seconds"),
        "skipped": str(preflight.count("skip")),
    }


def _sums(preflight: Preflight) -> dict[str, str]:
    return {
        "tests": str(len(preflight.checks)),
        "failures": str(preflight.count("fail")),
        "errors": "0",
        "time": _seconds(preflight.seconds),
    }


def _add(suite: Element, check: Check) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"{SUITE}.{check.part}",
        name=_printable(check.name),
        time=_seconds(check.seconds),
    )
    if check.verdict == "fail":
        failure = SubElement(case, "failure", type="fail", message=_printable(check.seen))
        failure.text = _printable(check.story)
    elif check.verdict == "skip":
        SubElement(case, "skipped", message=_printable(check.seen))
    else:
        SubElement(case, "system-out").text = _printable(f"{check.verdict}: {check.story}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _printable(text: str) -> str:
    return NOT_XML.sub(REPLACEMENT, text)
