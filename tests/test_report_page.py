"""The page is well-formed, loads nothing, hides nothing and can be read by everyone."""

import re
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from job.record import AttemptRecord, EvaluationRecord, SettingRecord
from job.report.page import page
from report_records import PREFLIGHT, device, epoch, evaluation, run_record

VOID: Final = {"meta", "br"}
ATTACK: Final = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"""
NO_RESULT: Final = EvaluationRecord(images=0, loss=0, accuracy=0, classes=[], confusion=[])


class Outline(HTMLParser):
    """What a browser would make of a page; refuses tags that do not match."""

    def __init__(self, html: str) -> None:
        """Read the whole of `html`."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and wait for its end."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of a picture that has no content."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Refuse the end of anything but the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if data.strip():
            self.texts.append(data.strip())

    def attributes(self, name: str) -> list[str | None]:
        """The values of attribute `name`, in the order of the page."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    def count(self, tag: str) -> int:
        """How many elements are `tag`."""
        return sum(tag == each for each, _ in self.tags)


@pytest.fixture(name="html", scope="module")
def make_html() -> str:
    """The page of the whole record."""
    return page(run_record(), PREFLIGHT)


@pytest.fixture(name="outline", scope="module")
def make_outline(html: str) -> Outline:
    """That page, parsed."""
    return Outline(html)


def test_every_tag_is_closed_in_order(html: str, outline: Outline) -> None:
    """A browser has nothing to repair."""
    assert html.startswith("<!DOCTYPE html>")
    assert outline.open == []


def test_ids_are_unique(outline: Outline) -> None:
    """Two pictures on one page do not answer for each other."""
    ids = outline.attributes("id")

    assert ids
    assert len(ids) == len(set(ids))


def test_page_loads_nothing(html: str, outline: Outline) -> None:
    """No address, no script, no frame, no import: all there is to see is in the file."""
    assert not re.search(r"https?:|@import|//", html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert all(str(target).startswith("#") for target in outline.attributes("xlink:href"))
    assert outline.attributes("src") + outline.attributes("href") == []


def test_browser_is_told_to_load_nothing(outline: Outline) -> None:
    """The policy forbids all but the page's own style."""
    assert "default-src 'none'; style-src 'unsafe-inline'" in outline.attributes("content")


def test_headings_descend_without_a_gap(outline: Outline) -> None:
    """One h1, then sections: a screen reader's list of headings is a table of contents."""
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]

    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def test_page_names_its_language_and_title(outline: Outline) -> None:
    """A tab and a screen reader know what they are looking at."""
    assert outline.tags[0] == ("html", {"lang": "en"})
    assert "Fashion-MNIST: 72.2\N{NO-BREAK SPACE}% accuracy" in outline.texts


def test_tables_have_captions_and_scopes(outline: Outline) -> None:
    """Every table says what it is, every header cell what it heads."""
    assert outline.count("table") == outline.count("caption") > 5
    assert outline.count("th") == len(outline.attributes("scope"))


def test_curves_have_words_beside_them(outline: Outline) -> None:
    """Who cannot see a curve hears where it ends."""
    labels = [a["aria-label"] for _, a in outline.tags if a.get("role") == "img"]

    assert labels == [
        "Loss by epoch. After epoch 3: training 0.667, test 0.633.",
        "Test accuracy by epoch. After epoch 3: 83.3\N{NO-BREAK SPACE}%.",
    ]


def test_headline_has_result_time_device_and_attempts(outline: Outline) -> None:
    """The first screen answers how good, how long, where and how often tried."""
    first = outline.texts.index("Accuracy")

    assert outline.texts[first : first + 10] == [
        "Accuracy",
        "72.22\N{NO-BREAK SPACE}%",
        "Test loss",
        "0.7843",
        "Time",
        "2 min 06 s",
        "Attempts",
        "2",
        "Device",
        "Some GPU (cuda)",
    ]


def test_rows_of_the_matrix_are_true_classes(outline: Outline) -> None:
    """A row starts with its class and holds the counts of what it was taken for."""
    start = len(outline.texts) - outline.texts[::-1].index("Precision")
    before = outline.texts[:start]

    assert _contains(before, ["Coat", "2", "0", "4", "Bag", "0", "6", "0", "Shirt", "1", "0", "5"])


def test_most_frequent_mistakes_are_said_in_words(outline: Outline) -> None:
    """The matrix comes with its conclusion."""
    sentence = next(text for text in outline.texts if text.startswith("Most often mistaken"))
    expected = "Most often mistaken: Coat for Shirt (4), Shirt for Coat (1)."

    assert " ".join(sentence.split()) == expected


def test_settings_show_where_they_came_from(outline: Outline) -> None:
    """A value stands beside its origin, as it would be typed."""
    assert _contains(outline.texts, ["learning_rate", "0.25", "flag"])
    assert _contains(outline.texts, ["nesterov", "false", "environment"])
    assert _contains(outline.texts, ["min_accuracy", "not set", "default"])


def test_preflight_shows_verdicts_and_remedies(outline: Outline) -> None:
    """A check that warns says what to do about it."""
    assert _contains(outline.texts, ["nvidia-smi", "pass", "found", "driver", "warn", "575"])
    assert _contains(outline.texts, ["575", "update it"])


def test_digests_are_shown_whole(outline: Outline) -> None:
    """What was delivered and what it was trained on can be checked from the page."""
    assert _contains(outline.texts, ["model.pth", "2.7\N{NO-BREAK SPACE}MB", "cd" * 32])
    assert _contains(outline.texts, ["labels", "ab" * 32])


def test_attempt_without_an_end_was_killed_unless_it_is_the_last(outline: Outline) -> None:
    """The last attempt is the one that writes the page."""
    endings = [text for text in outline.texts if text in ("killed", "writing this report")]

    assert endings == ["killed", "writing this report"]


def test_ended_attempt_says_how() -> None:
    """The words and the exit code of an attempt are shown."""
    ended = AttemptRecord(
        attempt=1, node="n", started_at="then", ended="SIGTERM", exit_code=75, step=9, seconds=1.25
    )
    outline = Outline(page(run_record(attempts=[ended]), None))

    assert _contains(outline.texts, ["n", "0", "9", "1.2", "75", "SIGTERM"])


def test_unread_fact_of_a_gpu_is_unknown(outline: Outline) -> None:
    """A fact that nvidia-smi did not give is not shown as Python's None."""
    assert _contains(outline.texts, ["ecc", "unknown"])


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"history": []}, "No epoch is in this record."),
        ({"evaluation": NO_RESULT}, "No confusion matrix is in this record."),
        ({"evaluation": NO_RESULT}, "No class is in this record."),
        ({"settings": {}}, "No setting is in this record."),
        ({"attempts": []}, "No attempt is in this record."),
        ({"artifacts": {}}, "No file was digested when this page was written"),
    ],
)
def test_missing_part_leaves_a_note(changes: dict[str, Any], note: str, html: str) -> None:
    """What a record lacks is said, and only then."""
    assert note in page(run_record(**changes), PREFLIGHT)
    assert note not in html


@pytest.mark.parametrize("preflight", [None, {}, {"checks": None}, {"checks": []}])
def test_missing_preflight_leaves_a_note(preflight: dict[str, Any] | None, html: str) -> None:
    """A run without preflight.json, or with an empty one, still has its page."""
    note = "No preflight check was recorded for this run."

    assert note in page(run_record(), preflight)
    assert note not in html


def test_check_of_an_older_file_may_lack_fields() -> None:
    """An unknown shape of a check costs its words, not the page."""
    outline = Outline(page(run_record(), {"checks": [{"name": "driver", "result": "fine"}]}))

    assert "driver" in outline.texts


def test_flawless_model_has_no_mistakes_to_tell() -> None:
    """Without a mistake the sentence about mistakes is left out."""
    flawless = evaluation().model_copy(update={"confusion": [[6, 0, 0], [0, 6, 0], [0, 0, 6]]})

    assert "Most often mistaken" not in page(run_record(evaluation=flawless), None)


def test_single_epoch_has_curves() -> None:
    """One epoch is a history."""
    assert Outline(page(run_record(history=[epoch(1)]), None)).count("svg") == 2


def test_hostile_text_is_shown_and_never_run() -> None:
    """Text from outside stays text, wherever it enters, the template's own syntax included."""
    outline = Outline(page(_hostile_record(), {"checks": [dict.fromkeys(_CHECK, ATTACK)]}))
    events = [name for _, attributes in outline.tags for name in attributes if name[:2] == "on"]

    assert not {"script", "img"} & {tag for tag, _ in outline.tags}
    assert events == []
    assert outline.texts.count(ATTACK) >= 16


_CHECK: Final = ("name", "verdict", "seen", "remedy")


def _hostile_record() -> Any:
    attempt = AttemptRecord(attempt=1, node=ATTACK, started_at=ATTACK, ended=ATTACK)
    return run_record(
        job_version=ATTACK,
        settings={ATTACK: SettingRecord(value=ATTACK, origin="flag")},
        versions={ATTACK: ATTACK},
        device=device(name=ATTACK, reason=ATTACK, step=ATTACK, gpus=[{ATTACK: ATTACK}]),
        evaluation=evaluation(names=(ATTACK, "b", "c")),
        attempts=[attempt],
    )


def _contains(texts: list[str], sequence: list[str]) -> bool:
    """Whether `sequence` stands in `texts` without a gap."""
    length = len(sequence)
    return any(texts[place : place + length] == sequence for place in range(len(texts)))
