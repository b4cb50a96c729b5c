"""The page is well-formed, loads nothing, hides nothing and can be read by everyone."""

import re
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from job.record import AttemptRecord, EvaluationRecord, RunRecord, SettingRecord
from job.report.content import KILLED, RUNNING, Content, of_record
from job.report.page import page as render
from job.report.page import title
from report_records import (
    PREFLIGHT,
    TEST_IMAGES,
    device,
    epoch,
    evaluation,
    full_record,
    gpu_sample,
    gpu_use,
    run_record,
)

VOID: Final = {"meta", "br", "img"}
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


def page(record: RunRecord, preflight: dict[str, Any] | None) -> str:
    """The page of a finished run, with the pictures of its mistakes."""
    return render(of_record(record, preflight, TEST_IMAGES))


@pytest.fixture(name="html", scope="module")
def make_html() -> str:
    """The page of the whole record."""
    return page(full_record(), PREFLIGHT)


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
    without_pictures = re.sub(r'src="data:image/png;base64,[A-Za-z0-9+/=]+"', "", html)

    assert not re.search(r"https?:|@import|//|src=", without_pictures)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert all(str(target).startswith("#") for target in outline.attributes("xlink:href"))
    assert outline.attributes("href") == []


def test_browser_is_told_to_load_nothing(outline: Outline) -> None:
    """The policy forbids all but the page's own style, and images that it holds itself."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

    assert policy in outline.attributes("content")


def test_headings_descend_without_a_gap(outline: Outline) -> None:
    """One h1, then sections: a screen reader's list of headings is a table of contents."""
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]

    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def test_page_names_its_language_and_title(outline: Outline) -> None:
    """A tab and a screen reader know what they are looking at."""
    assert outline.tags[0] == ("html", {"lang": "en"})
    named_right = "Fashion-MNIST: 72.2\N{NO-BREAK SPACE}% of 18 test images named right"
    assert outline.texts.count(named_right) == 2  # as title and as heading


def test_tables_have_captions_and_scopes(outline: Outline) -> None:
    """Every table says what it is, every header cell what it heads."""
    assert outline.count("table") == outline.count("caption") > 5
    assert outline.count("th") == len(outline.attributes("scope"))


def test_curves_have_words_beside_them(outline: Outline) -> None:
    """Who cannot see a curve hears where it ends."""
    labels = [a["aria-label"] for _, a in outline.tags if a.get("role") == "img"]

    assert labels[:3] == [
        "Loss by epoch. After epoch 3: training 0.667, test 0.633.",
        "Test accuracy by epoch. After epoch 3: 83.3\N{NO-BREAK SPACE}%.",
        "Training images per second by epoch. In epoch 3: 28,571.",
    ]
    assert labels[3] == "Utilisation over time: 38 % on average, 75 % at most."


def test_page_names_the_network_and_what_it_began_with(outline: Outline) -> None:
    """As the settings name them; what a setting says is text."""
    assert "mlp from begun<.pth" in outline.texts


def test_headline_has_result_time_device_and_attempts(outline: Outline) -> None:
    """The first screen answers how good, how long, where and how often tried."""
    first = outline.texts.index("Accuracy")

    assert outline.texts[first : first + 12] == [
        "Accuracy",
        "72.22\N{NO-BREAK SPACE}%",
        "Test loss",
        "0.7843",
        "Time",
        "2 min 06 s",
        "Attempts",
        "2",
        "Goodput",
        "75.0\N{NO-BREAK SPACE}%",
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
        attempt=1,
        node="n",
        started_at="then",
        ended="SIGTERM",
        exit_code=75,
        step=9,
        lost_steps=1,
        seconds=1.25,
    )
    outline = Outline(page(run_record(attempts=[ended]), None))

    assert _contains(outline.texts, ["n", "0", "9", "1", "1.2", "75", "SIGTERM"])


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
        ({"evaluation": evaluation()}, "Single mistakes are not in this record."),
        ({"gpu_use": None}, "No sample of the GPU is in this record."),
        ({"gpu_use": None, "device": device(type="cpu")}, "The run used no NVIDIA GPU."),
    ],
)
def test_missing_part_leaves_a_note(changes: dict[str, Any], note: str, html: str) -> None:
    """What a record lacks is said, and only then."""
    assert note in page(full_record(**changes), PREFLIGHT)
    assert note not in html


@pytest.mark.parametrize(
    "preflight", [None, {}, {"checks": None}, {"checks": []}, {"checks": 7}, {"checks": ["?"]}]
)
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


def test_surest_mistakes_are_shown_with_what_they_are_and_were_called(outline: Outline) -> None:
    """Each has its picture, and words for those who cannot see it."""
    images = [attributes for tag, attributes in outline.tags if tag == "img"]

    assert [image["alt"] for image in images] == [
        "Test image 4: Coat, taken for Shirt",
        "Test image 17: Shirt, taken for Coat",
    ]
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in images)
    assert _contains(
        outline.texts,
        ["Coat", "called Shirt", "99.87\N{NO-BREAK SPACE}% sure, no.\N{NO-BREAK SPACE}4"],
    )


def test_mistakes_are_named_where_their_pictures_are_missing() -> None:
    """Without the dataset the list stays, and says what it lacks."""
    html = render(of_record(full_record(), None))

    assert "called Shirt" in html
    assert "Their pictures need the dataset" in html
    assert "<img" not in html


def test_flawless_network_is_said_to_have_made_no_mistake() -> None:
    """An empty list is another thing than none."""
    flawless = evaluation().model_copy(update={"confident_mistakes": []})

    assert "The network made no mistake." in page(run_record(evaluation=flawless), None)


def test_gpu_use_has_means_peaks_and_what_held_it_back(outline: Outline) -> None:
    """Six samples half a second apart, of which two were throttled."""
    sentence = next(text for text in outline.texts if text.startswith("Some GPU, 6 samples"))
    throttled = "Held back by software power cap in 33.3 % of them."

    assert " ".join(sentence.split()).endswith(throttled)
    assert _contains(outline.texts, ["Power", "132.5", "145.0", "W"])


def test_measure_that_a_gpu_does_not_tell_has_no_picture() -> None:
    """A GPU without a power meter has no empty frame for it."""
    silent = gpu_use().model_copy(update={"samples": [gpu_sample(watts=None, celsius=None)]})
    outline = Outline(page(full_record(gpu_use=silent), None))

    assert "Power" not in outline.texts
    assert outline.count("svg") == 6


def test_gpu_that_nothing_held_back_is_said_to_have_been_free() -> None:
    """No reason is a finding, too."""
    free = gpu_use().model_copy(update={"samples": [gpu_sample(throttling=[])]})

    assert "Nothing held its clocks back." in page(full_record(gpu_use=free), None)


def test_run_that_did_not_finish_has_its_page() -> None:
    """What is known of it is shown: how it ended, and how far it came."""
    content = Content(KILLED, history=[epoch(1), epoch(2)], notes=("the ledger is torn",))
    outline = Outline(render(content))

    assert title(content) == "Training run: killed, 75.0\N{NO-BREAK SPACE}% accuracy after epoch 2"
    assert _contains(outline.texts, ["Accuracy so far", "75.00\N{NO-BREAK SPACE}%"])
    assert "The ledger is torn." in outline.texts
    assert outline.count("svg") == 3


def test_run_that_has_only_begun_has_its_page() -> None:
    """Every part is missing, and every section says so."""
    outline = Outline(render(Content(RUNNING)))

    assert title(Content(RUNNING)) == "Training run: running, no epoch done"
    assert outline.count("section") == 11
    assert len([a for _, a in outline.tags if "absent" in str(a.get("class"))]) == 11


def test_single_epoch_has_curves() -> None:
    """One epoch is a history."""
    assert Outline(page(run_record(history=[epoch(1)]), None)).count("svg") == 3


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
