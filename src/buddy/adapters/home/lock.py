"""The system lock: one row an epoch, the last one counts."""

import sqlite3

from buddy.adapters.home import times
from buddy.ports import LockState

_FIELDS = "SELECT epoch, engaged, by, reason, at FROM lock_epochs ORDER BY epoch"
_OPEN = LockState()


def state(connection: sqlite3.Connection) -> LockState:
    """Return the lock as it is."""
    row = connection.execute(f"{_FIELDS} DESC LIMIT 1").fetchone()
    return _OPEN if row is None else _read(row)


def change(connection: sqlite3.Connection, engaged: bool, by: str, reason: str, at: float) -> LockState:
    """Engage or release it; where it is so already nothing changes."""
    now = state(connection)
    if now.engaged == engaged:
        return now
    after = LockState(now.epoch + 1, engaged, by, reason, times.advance(connection, at))
    connection.execute(
        "INSERT INTO lock_epochs VALUES (?, ?, ?, ?, ?)",
        (after.epoch, after.engaged, after.by, after.reason, after.at),
    )
    return after


def history(connection: sqlite3.Connection) -> list[LockState]:
    """Every epoch, from the open one that a home begins with."""
    return [_OPEN, *map(_read, connection.execute(_FIELDS))]


def _read(row: tuple[int, int, str, str, float]) -> LockState:
    epoch, engaged, by, reason, at = row
    return LockState(epoch, bool(engaged), by, reason, at)
