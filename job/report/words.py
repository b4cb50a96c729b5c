"""Numbers and names as people write them."""

import math
from datetime import UTC, datetime
from typing import Any, Final

MINUTE: Final = 60
HOUR: Final = 3600


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction as per cent: 0.7093 is `70.9 %`."""
    return f"{100 * fraction:.{digits}f}\N{NO-BREAK SPACE}%"


def duration(seconds: float) -> str:
    """Seconds in the units that a person would use, two at most."""
    if seconds < 2 * MINUTE or not math.isfinite(seconds):
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    if seconds < 2 * HOUR:
        minutes, rest = divmod(round(seconds), MINUTE)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / MINUTE), MINUTE)
    return f"{hours} h {minutes:02d} min"


def size(count: int) -> str:
    """Bytes in the decimal unit that leaves one to three digits before the point."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:  # noqa: PLR2004  # what kilo means
            break
        amount, unit = amount / 1000, larger
    digits = 0 if unit == "B" else 1
    return f"{amount:.{digits}f}\N{NO-BREAK SPACE}{unit}"


def number(value: float, digits: int = 0) -> str:
    """Digits in groups of three: 60000 is `60,000`."""
    return f"{value:,.{digits}f}"


def plain(value: Any, missing: str = "not set") -> str:
    """A setting as it would be typed: `true`, `0.001`; None is `missing`."""
    if value is None:
        return missing
    return str(value).lower() if isinstance(value, bool) else str(value)


def prose(name: str) -> str:
    """A field's name as prose: `first_step` is `first step`."""
    return name.replace("_", " ")


def moment(text: str) -> str:
    """A time of ISO 8601 to the second, in UTC; what is none stays as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    if when.tzinfo is None:
        return text
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def sentence(text: str) -> str:
    """`text` with a capital at its start."""
    return text[:1].upper() + text[1:]
