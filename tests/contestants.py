"""Rivals for an output folder as processes, and leases that others have left behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

from job.holder import Holder, this_holder

PROGRAM: Final = Path(__file__).with_name("lease_rival.py")
SOON_SECONDS: Final = 0.01


class Rival:
    """A running `lease_rival.py`."""

    def __init__(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            env={**os.environ, "PYTHONPATH": str(PROGRAM.parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def tell(self, do: str, **arguments: Any) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for what came of it."""
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a line and wait for what comes of it."""
        self.tell(do, **arguments)
        return self.answer()

    def take(self, folder: Path, silence: float = 5.0) -> str | None:
        """Let it become the owner at once; returns why it was refused, None if it was not."""
        refused: str | None = self.ask("take", folder=str(folder), silence=silence, at=0)["refused"]
        return refused


def race(rivals: list[Rival], folder: Path, silence: float) -> list[Rival]:
    """Let all of them go for the folder in the same moment; return those who got it."""
    at = time.monotonic() + SOON_SECONDS
    for rival in rivals:
        rival.tell("take", folder=str(folder), silence=silence, at=at)
    answers = [rival.answer() for rival in rivals]
    return [rival for rival, each in zip(rivals, answers, strict=True) if each["refused"] is None]


def file_of(output_dir: Path) -> Path:
    """The file of the newest lease."""
    return max((output_dir / "lease").glob("*.json"))


def holder_of(output_dir: Path) -> Holder:
    """What it says."""
    return Holder.model_validate_json(file_of(output_dir).read_bytes())


def rewrite(output_dir: Path, **changes: Any) -> None:
    """Let the newest lease say something else; facts of the process go by their names, too."""
    holder = holder_of(output_dir)
    of_process = {name: changes.pop(name) for name in set(changes) & set(holder.process.__dict__)}
    process = holder.process.model_copy(update=of_process)
    changed = holder.model_copy(update={**changes, "process": process})
    file_of(output_dir).write_bytes(changed.content)


def leave_behind(output_dir: Path, number: int = 1, **changes: Any) -> None:
    """A lease of a process on another node, of which nothing can be known from here."""
    path = output_dir / "lease" / f"{number:08}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(this_holder(0, locked=False).content)
    rewrite(output_dir, **({"node": "node-9", "boot": "another", "pid": 99} | changes))
