"""The latest time that a home was ever told: a clock that is set back does not change the order of things."""

import sqlite3
from math import ceil

_KNOWN = "SELECT value FROM counters WHERE name = 'clock'"
_KEEP = "INSERT INTO counters VALUES ('clock', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_MICRO = 1_000_000


def advance(connection: sqlite3.Connection, now: float) -> float:
    """Note what time it is, and return it; where a later time is known already, that one.

    Args:
        connection: to the database, in a transaction.
        now: seconds since the epoch.
    """
    row = connection.execute(_KNOWN).fetchone()
    known = row[0] / _MICRO if row else 0.0
    if now <= known:
        return known
    connection.execute(_KEEP, (ceil(now * _MICRO),))
    return now
