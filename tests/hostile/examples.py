"""How hostile examples are drawn: how many, and how whole contents are spoilt."""

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import scale

# What lies at the edges of what a length, a count or an offset can be.
EDGES: Final = tuple(
    number.to_bytes(size, order)
    for size in (2, 4, 8)
    for number in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("little", "big")
)


def many(quick: int, full: int) -> settings:
    """The same examples each time in `make test`, new ones with a reprinted blob in a long run."""
    return settings(
        max_examples=scale.of(quick=quick, full=full),
        derandomize=scale.of(quick=1, full=0) == 1,
        deadline=None,  # machines are busy; what must not hang has a limit of its own
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def spoilt(draw: st.DrawFn, contents: tuple[bytes, ...]) -> bytes:
    """One of `contents` after a few changes, or bytes that have nothing to do with them."""
    data = draw(st.sampled_from(contents) | st.binary(max_size=64))
    for _ in range(draw(st.integers(1, 6))):
        first = draw(st.integers(0, len(data)))
        last = min(len(data), first + draw(st.integers(0, 16)))
        data = data[:first] + draw(_replacement(data[first:last])) + data[last:]
    return data


def _replacement(part: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.just(b""),
        st.just(part * 2),
        st.just(bytes(len(part))),
        st.sampled_from(EDGES),
        st.binary(max_size=16),
        st.sampled_from((b"[" * 5_000, b'"', b"-1", b"1e999", b"9" * 5_000, b"\xff\xfe", b"null")),
    )
