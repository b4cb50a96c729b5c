"""What the environment says of a process's place: numbers read strictly, sources that must agree.

A claim keeps the name of the variable behind each fact, so that an error can quote both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from job.errors import SettingsError

Fact = Literal["rank", "size", "local_rank", "local_size", "node", "nodes", "address", "port"]

COUNTS: Final[frozenset[Fact]] = frozenset({"size", "local_size", "nodes"})
POSITIONS: Final[dict[Fact, Fact]] = {"rank": "size", "local_rank": "local_size", "node": "nodes"}
LAST_PORT: Final = 65_535
FIX: Final = "unset the variables of all but one of torchrun, srun and Kubernetes (env -u NAME)"


@dataclass(frozen=True)
class Said:
    """A value and the variable that says it."""

    name: str
    value: int | str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Claim = dict[Fact, Said]


def read(environ: Mapping[str, str], names: Mapping[Fact, str]) -> Claim:
    """The facts whose variables are set; an empty variable counts as unset.

    Raises `SettingsError` for what is no number, or none that can be.
    """
    return {
        fact: Said(name, environ[name] if fact == "address" else _number(environ, fact, name))
        for fact, name in names.items()
        if environ.get(name)
    }


def merge(*claims: Claim) -> Claim:
    """All facts of all claims; raises `SettingsError` that prints both where two differ."""
    merged: Claim = {}
    for claim in claims:
        for fact, said in claim.items():
            earlier = merged.setdefault(fact, said)
            if earlier.value != said.value:
                raise SettingsError(f"{earlier} contradicts {said}", fix=FIX)
    _require_positions(merged)
    return merged


def only(claim: Claim, *facts: Fact) -> Claim:
    """Some of the facts of a claim."""
    return {fact: said for fact, said in claim.items() if fact in facts}


def require(claim: Claim, names: Mapping[Fact, str]) -> None:
    """Raise `SettingsError` unless all of `names` are in a claim that was begun."""
    missing = [name for fact, name in names.items() if fact not in claim]
    if claim and missing:
        given = ", ".join(map(str, claim.values()))
        raise SettingsError(
            f"{given} without {', '.join(missing)}",
            allowed="all of them or none",
            fix=f"set {', '.join(missing)}, or unset the others",
        )


def _number(environ: Mapping[str, str], fact: Fact, name: str) -> int:
    text = environ[name]
    least = 1 if fact in COUNTS or fact == "port" else 0
    is_number = text.isascii() and text.isdigit()
    if not is_number or int(text) < least or (fact == "port" and int(text) > LAST_PORT):
        most = f" and at most {LAST_PORT}" if fact == "port" else ""
        raise SettingsError(f"{name}={text}", allowed=f"an integer, at least {least}{most}")
    return int(text)


def _require_positions(claim: Claim) -> None:
    for position, count in POSITIONS.items():
        if position in claim and count in claim:
            said, of = claim[position], claim[count]
            if int(said.value) >= int(of.value):
                raise SettingsError(f"{said} is not below {of}", fix="count from 0")
