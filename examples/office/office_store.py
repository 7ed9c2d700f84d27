"""The office on disk: one small SQLite file an office, copied from a template made once per data folder."""

import csv
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, str]

SHIPPED = Path(__file__).parent / "data"

# table -> its columns; the first one identifies a row.
CHANGING = {
    "events": ("event_id", "event_name", "participant_email", "event_start", "duration"),
    "emails": ("email_id", "inbox/outbox", "sender/recipient", "subject", "sent_datetime", "body"),
    "customers": (
        "customer_id", "assigned_to_email", "customer_name", "customer_email", "customer_phone",
        "last_contact_date", "product_interest", "status", "follow_up_by", "notes",
    ),
    "tasks": ("task_id", "task_name", "assigned_to_email", "list_name", "due_date", "board"),
    "plots": ("file_path",),
}  # fmt: skip
FIXED = {
    "visits": (
        "date_of_visit", "visitor_id", "page_views", "session_duration_seconds", "traffic_source",
        "user_engaged",
    ),
    "staff": ("email_address",),
}  # fmt: skip
TABLES = CHANGING | FIXED
FILES = {
    "events": "calendar_events.csv",
    "emails": "emails.csv",
    "customers": "customer_relationship_manager_data.csv",
    "tasks": "project_tasks.csv",
    "visits": "analytics_data.csv",
    "staff": "email_addresses.csv",
}


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What one write changes: a row before it (None: created) and after it (None: deleted)."""

    table: str
    before: Row | None = None
    after: Row | None = None
    field: str = ""  # the column that an update sets

    @property
    def key(self) -> str:
        """What identifies the row."""
        row = self.after if self.before is None else self.before
        assert row is not None
        return row[TABLES[self.table][0]]

    @property
    def result(self) -> Row:
        """What the tool returns, which is all that its undo needs."""
        if self.before is not None and self.after is not None:
            before, after = self.before[self.field], self.after[self.field]
            return {TABLES[self.table][0]: self.key, "field": self.field, "before": before, "after": after}
        row = self.after if self.before is None else self.before
        assert row is not None
        return row


class Records(Protocol):
    """What the rules of the office read: its rows."""

    def rows(
        self, table: str, where: str = "1", *params: str, order: str = "rowid", limit: int = -1
    ) -> list[Row]:
        """Return the rows of a table that fulfil a condition in SQL."""
        ...

    def by_day(self, measure: str, where: str = "1", *params: str) -> dict[str, float]:
        """Return a measure of the visits, an aggregate in SQL, for each day that has some."""
        ...

    def next_id(self, table: str) -> str:
        """Return the number that the next row of a table gets: the highest + 1."""
        ...


class Store:
    """The rows of one office; its file is made when it is first needed, an existing one is kept."""

    def __init__(self, path: Path, data: Path | None = None) -> None:
        self.path = path
        self.data = data or SHIPPED
        self._lock = threading.Lock()  # tools run in threads; one session at a time
        self._db: sqlite3.Connection | None = None

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[None]:
        """One transaction; a write is committed at the end, or undone by any error."""
        with self._lock:
            if not self.path.exists():
                make(self.path, self.data)
            # A connection a session: hundreds of offices side by side hold no file open.
            with closing(connect(self.path)) as self._db:
                self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield
                self._db.execute("COMMIT")

    @property
    def db(self) -> sqlite3.Connection:
        """The connection of the session."""
        assert self._db is not None, "outside of a session"
        return self._db

    def rows(
        self, table: str, where: str = "1", *params: str, order: str = "rowid", limit: int = -1
    ) -> list[Row]:
        """Return the rows of a table that fulfil a condition in SQL."""
        query = f"SELECT {columns(table)} FROM {table} WHERE {where} ORDER BY {order} LIMIT {limit}"
        if table in CHANGING:
            return fetch(self.db, table, query, params)
        with closing(connect(self._fixed())) as db:
            return fetch(db, table, query, params)

    def by_day(self, measure: str, where: str = "1", *params: str) -> dict[str, float]:
        """Return a measure of the visits, an aggregate in SQL, for each day that has some."""
        query = f"SELECT date_of_visit, {measure} FROM visits WHERE {where} GROUP BY 1 ORDER BY 1"
        with closing(connect(self._fixed())) as db:
            return dict(db.execute(query, params).fetchall())

    def next_id(self, table: str) -> str:
        """Return the number that the next row of a table gets: the highest + 1."""
        query = f"SELECT coalesce(max(CAST({TABLES[table][0]} AS INTEGER)), 0) + 1 FROM {table}"
        return str(self.db.execute(query).fetchone()[0])

    def find(self, table: str, key: str) -> Row | None:
        """Return the row with this key, None where there is none."""
        found = self.rows(table, f"{TABLES[table][0]} = ?", key, limit=1)
        return found[0] if found else None

    def apply(self, edit: Edit) -> None:
        """Make the change."""
        names, key = TABLES[edit.table], TABLES[edit.table][0]
        if edit.before is None and edit.after is not None:
            marks = ", ".join("?" * len(names))
            self.db.execute(
                f"INSERT INTO {edit.table} VALUES ({marks})", [edit.after[name] for name in names]
            )
        elif edit.after is None:
            self.db.execute(f"DELETE FROM {edit.table} WHERE {key} = ?", [edit.key])
        else:
            value = edit.after[edit.field]
            self.db.execute(f'UPDATE {edit.table} SET "{edit.field}" = ? WHERE {key} = ?', [value, edit.key])

    def done(self, key: str) -> Any:
        """Return what the call with this idempotency key returned, None where it never happened."""
        query = "SELECT result FROM done WHERE key = ? AND NOT undone"
        row = self.db.execute(query, [key]).fetchone()
        return json.loads(row[0]) if row else None

    def undone(self, key: str) -> bool:
        """Return whether the call with this idempotency key was undone."""
        query = "SELECT 1 FROM done WHERE key = ? AND undone"
        return self.db.execute(query, [key]).fetchone() is not None

    def mark(self, key: str, result: Any) -> None:
        """Remember that the call with this idempotency key happened."""
        self.db.execute("INSERT OR REPLACE INTO done VALUES (?, ?, 0)", [key, json.dumps(result)])

    def mark_undone(self, key: str) -> None:
        """Remember that the call with this idempotency key was undone."""
        self.db.execute("UPDATE done SET undone = 1 WHERE key = ?", [key])

    def _fixed(self) -> Path:
        (name,) = self.db.execute("SELECT file FROM fixed").fetchone()
        return self.path.parent / str(name)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database whose transactions are begun and ended by hand."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = OFF")  # an example: it outlives a killed process, not a power cut
    db.create_function("folded", 1, str.lower, deterministic=True)  # SQLite's own knows ASCII only
    db.create_function("has", 2, lambda text, part: part.lower() in text.lower(), deterministic=True)
    return db


def columns(table: str) -> str:
    """The columns of a table, quoted."""
    return ", ".join(f'"{name}"' for name in TABLES[table])


def fetch(db: sqlite3.Connection, table: str, query: str, params: tuple[str, ...]) -> list[Row]:
    """The rows that a query finds, by column."""
    return [dict(zip(TABLES[table], row, strict=True)) for row in db.execute(query, params)]


def make(path: Path, data: Path, *, replace: bool = False) -> None:
    """Make the file of a fresh office; one that exists stays unless it is to be replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = template(path.parent, data) / "base.sqlite"
    if replace:
        for old in (path, path.with_name(f"{path.name}-journal")):
            old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".office-") as scratch:
        copy = Path(shutil.copyfile(base, Path(scratch) / "copy"))
        with suppress(FileExistsError):  # another process was first, and may have written to it
            os.link(copy, path)


def template(folder: Path, data: Path) -> Path:
    """The folder with the databases made from a folder of CSV files: `base` to copy, `fixed` to share."""
    digest = hashlib.sha256()
    for name in FILES.values():
        digest.update((data / name).read_bytes())
    shelf = folder / f".office-{digest.hexdigest()[:16]}"
    if not shelf.exists():
        with tempfile.TemporaryDirectory(dir=folder, prefix=".office-") as scratch:
            ready = Path(scratch) / "ready"
            ready.mkdir()
            fill(ready / "fixed.sqlite", FIXED, data)
            fill(ready / "base.sqlite", CHANGING, data)
            with closing(connect(ready / "base.sqlite")) as db:
                db.execute("CREATE TABLE done (key TEXT PRIMARY KEY, result TEXT, undone INTEGER)")
                db.execute("CREATE TABLE fixed (file TEXT)")
                db.execute("INSERT INTO fixed VALUES (?)", [f"{shelf.name}/fixed.sqlite"])
            with suppress(OSError):  # another process was first
                ready.rename(shelf)
    return shelf


def fill(path: Path, tables: dict[str, tuple[str, ...]], data: Path) -> None:
    """Make a database of these tables from their CSV files."""
    with closing(connect(path)) as db:
        db.execute("BEGIN")
        for table, names in tables.items():
            db.execute(f"CREATE TABLE {table} ({columns(table)})")
            marks = ", ".join("?" * len(names))
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", read_csv(table, data))
        db.execute("COMMIT")


def read_csv(table: str, data: Path) -> list[list[str]]:
    """The rows of a table's CSV file; the list of addresses has no header, plots have no file."""
    if table not in FILES:
        return []
    with (data / FILES[table]).open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if line]
    if table == "staff":
        return lines
    if not lines or tuple(lines[0]) != TABLES[table]:
        raise ValueError(f"{data / FILES[table]}: expected the columns {', '.join(TABLES[table])}")
    return lines[1:]
