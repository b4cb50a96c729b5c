"""The last word of a container: a JSON line where Kubernetes looks for it.

Of several ranks in a container, each gives its last word to the launcher, which passes on that of
the rank that failed first: the others leave because of it, and would say no more than that.
"""

import json
import os
from itertools import accumulate
from pathlib import Path
from typing import Final

from job import files
from job.errors import ExitCode, JobError

PATH: Final = Path("/dev/termination-log")
VARIABLE: Final = "TERMINATION_LOG"  # the path, where it is another one
LIMIT_BYTES: Final = 4096  # the kubelet cuts there
ELLIPSIS: Final = "…"


def report(error: JobError | None) -> None:
    """Write how the attempt ended, if the file is there and can be written."""
    say(message(error))


def say(word: str) -> None:
    """Write a message that is made already, such as that of a rank."""
    path = os.environ.get(VARIABLE)  # noqa: TID251  # the launcher's word to a rank, no setting
    try:
        files.overwrite_mounted(Path(path) if path else PATH, word)
    except OSError:  # it is a courtesy, and never the job's failure
        return


def message(error: JobError | None) -> str:
    """One line of ASCII JSON, at most 4,096 bytes: code, reason, remedy, checkpoint.

    Texts that do not fit are cut at their ends; each keeps at least a third of the room.
    """
    code = error.exit_code if error else ExitCode.FINISHED
    texts = {
        "reason": error.seen if error else "finished",
        "remedy": error.fix if error else "",
        "checkpoint": error.checkpoint if error else "",
    }
    facts: dict[str, int | str] = {"code": int(code), **dict.fromkeys(texts, "")}
    # What a short text leaves of its share goes to the longer ones after it.
    names = sorted(texts, key=lambda name: _size(texts[name]))
    for waiting, name in zip(range(len(names), 0, -1), names, strict=True):
        free = LIMIT_BYTES - len(json.dumps(facts))
        facts[name] = _cut(texts[name], free // waiting)
    return json.dumps(facts)


def _cut(text: str, size: int) -> str:
    if _size(text) <= size:
        return text
    room = size - _size(ELLIPSIS)
    ends = accumulate(_size(character) for character in text[:room])
    return text[: sum(end <= room for end in ends)] + ELLIPSIS


def _size(text: str) -> int:
    return len(json.dumps(text)) - len('""')
