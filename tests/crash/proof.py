"""A proof under way: what it leaves to chance, and what it has done so far."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Proof:
    """A proof under way: the chance that it is left to, and what it has done so far."""

    seed: int
    choose: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, number: int = 1) -> None:
        """Note that something was done, for the table."""
        self.done[what] += number

    def some(self, cases: Sequence[T], number: int) -> list[T]:
        """So many of the cases, by chance and in any order; all if there are no more."""
        return self.choose.sample(cases, min(number, len(cases)))
