"""`small_job.py`, with a line in a file for every object that is restored by calling something.

    python tests/hostile/audited_job.py LINES FOLDER [command] [flags]

Each line of LINES has the name of what was looked up, and the functions of the job that asked for
it, the innermost first.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]


def watch(lines: Path) -> None:
    """Note every name that an unpickler looks up from here on."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            line = {"name": ".".join(map(str, arguments)), "asked_by": _rooms()}
            with lines.open("a") as file:
                file.write(json.dumps(line) + "\n")

    lines.touch()
    sys.addaudithook(note)


def _rooms() -> list[str]:
    """The functions of the job on the stack."""
    rooms, frame = [], inspect.currentframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "job"):
            rooms.append(f"{path.relative_to(ROOT)}:{frame.f_code.co_name}")
        frame = frame.f_back
    return rooms


if __name__ == "__main__":
    from small_job import run_small_job

    watch(Path(sys.argv.pop(1)))
    sys.exit(run_small_job())
