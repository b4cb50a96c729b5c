"""A cluster's resolver that does not know a new pod at first.

    python tests/nodes/late_dns.py ADDRESS SECONDS NAME=IPV4...

For half of the SECONDS it cannot say (SERVFAIL), for the other half there is no such name
(NXDOMAIN), and from then on it knows the NAMEs and no others. Each answer is a line of standard
output.
"""

import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Final

PORT: Final = 53
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
KINDS: Final = {NO_ERROR: "known", SERVER_FAILURE: "failure", NO_SUCH_NAME: "unknown"}
IPV4: Final = 1  # the type A; the other one that is asked for, AAAA, gets an empty answer
HEADER: Final = struct.Struct(">HHHHHH")
ANSWERED: Final = 0x8580  # a response, authoritative, and recursion is no trouble
# A pointer to the name in the question, type A, class IN, no second in a cache, four bytes.
ADDRESS_FOLLOWS: Final = struct.pack(">HHHIH", 0xC00C, IPV4, 1, 0, 4)


def serve(address: str, seconds: float, names: Mapping[str, str]) -> None:
    """Answer for ever; the time counts from here."""
    began = time.monotonic()
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind((address, PORT))
        say("ready", address)
        while True:
            query, client = listener.recvfrom(512)
            name, kind = question(query)
            code = verdict(time.monotonic() - began, seconds, known=name in names)
            found = names[name] if code == NO_ERROR and kind == IPV4 else None
            listener.sendto(answer(query, code, found), client)
            say(KINDS[code], name)


def say(word: str, subject: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{word} {subject}\n")
    sys.stdout.flush()


def verdict(passed: float, seconds: float, *, known: bool) -> int:
    """The response code, `passed` seconds after the beginning."""
    if passed < seconds / 2:
        return SERVER_FAILURE
    return NO_ERROR if known and passed >= seconds else NO_SUCH_NAME


def question(query: bytes) -> tuple[str, int]:
    """The name, in lower case and without its last dot, and the type that is asked for."""
    labels, at = [], HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), int.from_bytes(query[at + 1 : at + 3], "big")


def answer(query: bytes, code: int, address: str | None) -> bytes:
    """The response to a query of one question, with an address or without."""
    end = query.index(0, HEADER.size) + 5
    header = HEADER.pack(
        int.from_bytes(query[:2], "big"), ANSWERED | code, 1, int(address is not None), 0, 0
    )
    record = b"" if address is None else ADDRESS_FOLLOWS + socket.inet_aton(address)
    return header + query[HEADER.size : end] + record


if __name__ == "__main__":
    known = dict(argument.split("=") for argument in sys.argv[3:])
    serve(sys.argv[1], float(sys.argv[2]), known)
