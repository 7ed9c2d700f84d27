"""What the errors of SQLite mean for the one who has to do something about them."""

import sqlite3
from pathlib import Path

from buddy.errors import HomeUnavailable

_UNSOUND = (
    "is not a sound database; put a copy of it back, or move it away to begin with an empty home (the system"
    " lock, approvals and the action ledger in it are gone then)"
)
_CLOSED = (
    "cannot be opened or written; see to its permissions and its disk, or set BUDDY_HOME to another folder"
)

ADVICE = {
    sqlite3.SQLITE_BUSY: "is kept busy by another process; end what holds it, or try again",
    sqlite3.SQLITE_LOCKED: "is kept busy by another process; end what holds it, or try again",
    sqlite3.SQLITE_CORRUPT: _UNSOUND,
    sqlite3.SQLITE_NOTADB: _UNSOUND,
    sqlite3.SQLITE_FULL: "cannot grow because its disk is full; free some space, then go on",
    sqlite3.SQLITE_IOERR: "could not be read or written; check its disk, then go on",
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
    sqlite3.SQLITE_AUTH: _CLOSED,
}


def from_sqlite(path: Path, problem: sqlite3.Error) -> HomeUnavailable:
    """Say in one sentence what is wrong with the database and what to do."""
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    return HomeUnavailable(f"{path} {ADVICE.get(code, 'refused what was asked of it')} ({problem})")


def from_system(folder: Path, problem: OSError) -> HomeUnavailable:
    """Say that the folder of the home cannot be used."""
    return HomeUnavailable(f"{folder} {_CLOSED} ({problem.strerror or problem})")


def missing(path: Path) -> HomeUnavailable:
    """Say that a database is gone while its write-ahead log is still there."""
    return HomeUnavailable(
        f"{path} {_UNSOUND} (it is gone, but its write-ahead log {path.name}-wal is there)"
    )


def foreign(path: Path) -> HomeUnavailable:
    """Say that a database is not one that Buddy made."""
    return HomeUnavailable(f"{path} {_UNSOUND} (it was emptied, or another program made it)")


def newer(path: Path, version: int, known: int) -> HomeUnavailable:
    """Say that a later Buddy has written the database."""
    return HomeUnavailable(
        f"{path} was written by a later Buddy (its version is {version}, this Buddy knows {known});"
        " upgrade Buddy, or set BUDDY_HOME to another folder"
    )


def unreadable(path: Path, problem: Exception) -> HomeUnavailable:
    """Say that a row of the database holds something that no Buddy wrote."""
    return HomeUnavailable(f"{path} {_UNSOUND} ({problem})")
