"""A power cut at any moment of any save, with all that it may lose, leaves what it may leave."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import generations
import recording
import scale
from generations import Save
from job import checkpoint
from job.session import CHECKPOINTS
from power_cut import Tree, Volume
from proof import Proof
from recording import Operation
from tracing import run_traced
from warm import Warm

pytest_plugins = ["crash_fixtures"]

ATTEMPTS: Final = 5  # in the life of a volume
KILLED: Final = 0.6  # of which so many, on the average
REPEATED: Final = 0.6  # and of these so many make the next one do the same once more
# The calls that change a volume, and how many of them a save makes; they are killed at.
CALLS: Final = {
    "fsync": 9,
    "mkdir": 2,
    "rename": 3,
    "rmdir": 1,
    "unlink": 1,
    "unlinkat": 2,
    "write": 3,
}
PLACES: Final = [(name, number + 1) for name, most in CALLS.items() for number in range(most)]
DRAWS: Final = 3  # of the content of files that are not certain


@dataclass
class Medium:
    """A folder that is made to hold one tree after the other."""

    folder: Path
    seen: set[frozenset[tuple[str, bytes | None]]] = field(default_factory=set)
    _tree: Tree = field(default_factory=dict)

    def lay(self, tree: Tree) -> bool:
        """Hold this tree; whether it is one that was not there before."""
        whole = frozenset(tree.items())
        if whole in self.seen:
            return False
        self.seen.add(whole)
        for name in sorted(self._tree.keys() - tree.keys(), reverse=True):
            path = self.folder / name
            path.rmdir() if self._tree[name] is None else path.unlink()
        for name in sorted(tree):
            self._put(name, tree[name])
        self._tree = tree
        return True

    def _put(self, name: str, content: bytes | None) -> None:
        if content is None:
            (self.folder / name).mkdir(exist_ok=True)
        elif self._tree.get(name) != content:
            (self.folder / name).write_bytes(content)


@dataclass
class Life:
    """A volume and the attempts that save on it, each once; many are killed at it."""

    warm: Warm
    choose: random.Random
    output: Path
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    killed: Save | None = None

    def attempt(self) -> tuple[int, list[Operation], bool]:
        """The generation that was to be saved, what was done for it, and whether that was all."""
        save = self._next_save()
        kill = [self._kill()] if self.choose.random() < KILLED else []
        traced = run_traced(self.warm, save.program(self.output), *recording.OPTIONS, *kill)
        self.killed = save if traced.returncode else None
        return save.generation, recording.operations(traced.calls()), traced.returncode == 0

    def _next_save(self) -> Save:
        """As a run goes on: what was killed once more, or some steps on, or at that step again."""
        if self.killed is not None and self.choose.random() < REPEATED:
            return Save(self.killed.step, self._next(like=self.killed.generation))
        found = checkpoint.latest(self.output / CHECKPOINTS)
        step = 10 if found is None else found.step + self.choose.choice([0, 10])
        return Save(step, next(self.generations))

    def _next(self, like: int) -> int:
        """A generation whose tensors are those of another one."""
        return next(number for number in self.generations if (number - like) % 2 == 0)

    def _kill(self) -> str:
        name, number = self.choose.choice(PLACES)
        return f"--inject={name}:signal=SIGKILL:when={number}"


def test_power_cut_leaves_the_last_save_that_was_done_or_a_later_one(
    warm: Warm, proof: Proof, tmp_path: Path
) -> None:
    """After any operation of any attempt, with any of what was not synced lost; none raises."""
    wanted = scale.of(quick=4_000, full=200_000)
    while proof.done["different states"] < wanted:
        folder = tmp_path / str(proof.done["lives"])
        output, medium = folder / "output", Medium(folder / "medium")
        for path in (output, medium.folder):
            path.mkdir(parents=True)
        _live(Life(warm, proof.choose, output), Volume(output), medium, proof)
        proof.count("lives")


def _live(life: Life, volume: Volume, medium: Medium, proof: Proof) -> None:
    allowed: set[int | None] = {None}
    for _ in range(ATTEMPTS):
        generation, done, finished = life.attempt()
        allowed.add(generation)
        for number, operation in enumerate(done, start=1):
            volume.apply(operation)
            if finished and number == len(done):
                allowed = {generation}
            _cut_power(volume, medium, allowed, proof)
        proof.count("attempts")


def _cut_power(volume: Volume, medium: Medium, allowed: set[int | None], proof: Proof) -> None:
    for tree in volume.trees(proof.choose, DRAWS):
        proof.count("states")
        if medium.lay(tree):
            assert generations.found_in(medium.folder) in allowed
            proof.count("different states")
