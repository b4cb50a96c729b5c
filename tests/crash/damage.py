"""Damage to bytes, as disks, copies and people do it; the same seed does it again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Damage:
    """What was done to some bytes, by the number of the case, and what is left of them."""

    case: str
    data: bytes


def cases(whole: bytes, count: int, seed: int) -> Iterator[Damage]:
    """`count` ways in which `whole` is no longer whole, the same ones for the same seed."""
    for number in range(count):
        choose = random.Random(f"{seed} {number}")
        kind = choose.choice(list(KINDS))
        data = KINDS[kind](whole, choose)
        while data == whole:  # such as zeros that were zeros before
            data = KINDS[kind](whole, choose)
        yield Damage(f"case {number} of CRASH_SEED={seed}: {kind}", data)


def _flipped(whole: bytes, choose: random.Random) -> bytes:
    return _with_flips(whole, choose, 1)


def _flipped_often(whole: bytes, choose: random.Random) -> bytes:
    return _with_flips(whole, choose, choose.randint(2, 64))


def _with_flips(whole: bytes, choose: random.Random, count: int) -> bytes:
    data = bytearray(whole)
    for place in choose.choices(range(len(data)), k=count):
        data[place] ^= 1 << choose.randrange(8)
    return bytes(data)


def _zeroed(whole: bytes, choose: random.Random) -> bytes:
    first, last = _range_in(whole, choose)
    return whole[:first] + bytes(last - first) + whole[last:]


def _overwritten(whole: bytes, choose: random.Random) -> bytes:
    first, last = _range_in(whole, choose)
    return whole[:first] + choose.randbytes(last - first) + whole[last:]


def _cut(whole: bytes, choose: random.Random) -> bytes:
    return whole[: choose.randrange(len(whole))]


def _without_a_part(whole: bytes, choose: random.Random) -> bytes:
    first, last = _range_in(whole, choose)
    return whole[:first] + whole[last:]


def _with_more(whole: bytes, choose: random.Random) -> bytes:
    return whole + choose.randbytes(choose.randint(1, 512))


def _exchanged(whole: bytes, choose: random.Random) -> bytes:
    first, last = _range_in(whole, choose)
    middle = choose.randint(first, last)
    return whole[:first] + whole[middle:last] + whole[first:middle] + whole[last:]


def _range_in(whole: bytes, choose: random.Random) -> tuple[int, int]:
    """A range of at least one byte; short ones are as likely as long ones."""
    length = min(len(whole), 1 + int(2 ** choose.uniform(0, len(whole).bit_length())))
    first = choose.randint(0, len(whole) - length)
    return first, first + length


KINDS: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    "a bit flipped": _flipped,
    "bits flipped": _flipped_often,
    "a part zeroed": _zeroed,
    "a part overwritten": _overwritten,
    "the end cut off": _cut,
    "a part lost": _without_a_part,
    "something appended": _with_more,
    "two parts exchanged": _exchanged,
}
