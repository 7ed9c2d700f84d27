"""Times as text: UTC ISO 8601 with microseconds, the only form that records use."""

from datetime import UTC, datetime
from math import nan

_known = (nan, "")
"""A second, and the form of the times in it: the last one that was asked for."""


def iso(now: float) -> str:
    """Write a time, `2026-01-01T00:00:00.000000+00:00`.

    Args:
        now: seconds since the epoch; microseconds are rounded half to even, as `datetime` does.
    """
    global _known
    second = now // 1
    micros = round((now - second) * 1e6)
    if micros == 1_000_000:
        second, micros = second + 1, 0
    known = _known
    if known[0] != second:
        form = f"{datetime.fromtimestamp(second, UTC).isoformat()[:19]}.%06d+00:00"
        known = _known = (second, form)
    return known[1] % micros


def millis(spent: float) -> float:
    """Return milliseconds, to the microsecond.

    Args:
        spent: seconds.
    """
    # Rounding to decimal places would go through text.
    return round(spent * 1e6) / 1e3


def seconds(text: str) -> float:
    """Read a time that `iso` (or anybody else) wrote; returns seconds since the epoch.

    Raises:
        ValueError: not ISO 8601, or without an offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} says no offset from UTC")
    return at.timestamp()


def between(start: str, end: str) -> float:
    """Return the seconds from one time to a later one; 0 where a clock went back, or either is no time."""
    try:
        return max(0.0, seconds(end) - seconds(start))
    except ValueError:
        return 0.0
