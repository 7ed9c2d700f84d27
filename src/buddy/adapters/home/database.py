"""The SQLite file of the home: how it is made, opened, and written in transactions."""

import os
import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from buddy.adapters.home import unavailable
from buddy.adapters.home.folder import DATABASE
from buddy.adapters.home.schema import MIGRATIONS
from buddy.errors import HomeUnavailable

_KEY_BYTES = 32
_OURS = int.from_bytes(b"Budd", "big")


class Transaction:
    """`with` it, everything that is done on the connection happens or nothing; errors are converted.

    Args:
        path: of the database, for the errors.
        connection: that the transaction is on.
        begin: the statements that begin it.
    """

    __slots__ = ("_begin", "_connection", "_path")

    def __init__(self, path: Path, connection: sqlite3.Connection, *begin: str) -> None:
        self._path = path
        self._connection = connection
        self._begin = begin

    def __enter__(self) -> sqlite3.Connection:
        try:
            for statement in self._begin:
                self._connection.execute(statement)
        except sqlite3.Error as problem:
            raise unavailable.from_sqlite(self._path, problem) from problem
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is None:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as failure:
                self._undo()
                raise unavailable.from_sqlite(self._path, failure) from failure
            return
        self._undo()
        if isinstance(problem, sqlite3.Error):
            raise unavailable.from_sqlite(self._path, problem) from problem
        if isinstance(problem, msgspec.MsgspecError):
            raise unavailable.unreadable(self._path, problem) from problem

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # What failed before says more; SQLite rolls back by itself when the file is opened again.
            return


class Database:
    """The open file.

    Attributes:
        durable: a commit survives the loss of power.
        quick: a commit survives the end of the process; that of power it does with the next durable one.
        reading: sees one state.
    """

    def __init__(self, folder: Path, busy_timeout_s: float) -> None:
        self.path = folder / DATABASE
        # One for all: what another connection commits, even of this process, empties its cache of pages.
        connection = _connect(self.path, busy_timeout_s)
        self._connections = [connection]
        self.durable = Transaction(self.path, connection, "PRAGMA synchronous=FULL", "BEGIN IMMEDIATE")
        self.quick = Transaction(self.path, connection, "PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE")
        self.reading = Transaction(self.path, connection, "BEGIN")

    def close(self) -> None:
        """Let go of the file; what is committed stays."""
        for connection in self._connections:
            connection.close()


def ready(folder: Path, busy_timeout_s: float, scripts: Sequence[str] = MIGRATIONS) -> None:
    """Make the database where there is none, and bring an older one up to date. Only inside the `door`.

    Args:
        folder: of the home.
        busy_timeout_s: seconds to wait for others.
        scripts: the migrations known.

    Raises:
        HomeUnavailable: it was there and is gone, is another program's, or is newer than the scripts.
        sqlite3.Error: SQLite cannot use it.
    """
    path = folder / DATABASE
    if not path.exists():
        if path.with_name(f"{DATABASE}-wal").exists():
            raise unavailable.missing(path)
        _make(folder, scripts)
    connection = _connect(path, busy_timeout_s)
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _OURS:
            # It is put in place whole; one that was emptied since would look new to SQLite.
            raise unavailable.foreign(path)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise HomeUnavailable(
                f"{path} is on a file system that processes cannot share; set BUDDY_HOME to a local folder"
            )
        _migrate(connection, path, scripts)
    finally:
        connection.close()


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    # One thread at a time uses it, but not always the one that opened it.
    return sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _make(folder: Path, scripts: Sequence[str]) -> None:
    draft = folder / f"{DATABASE}.new"
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = _connect(draft, 0)
    try:
        _migrate(connection, draft, scripts)
        connection.execute(f"PRAGMA application_id={_OURS}")
        connection.execute("INSERT INTO meta VALUES ('key', ?)", (secrets.token_bytes(_KEY_BYTES),))
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    draft.replace(folder / DATABASE)
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _migrate(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(scripts):
        raise unavailable.newer(path, version, len(scripts))
    for number, script in enumerate(scripts[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")


def key(connection: sqlite3.Connection) -> bytes:
    """Return the secret of this home."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
    return msgspec.convert(row and row[0], bytes)
