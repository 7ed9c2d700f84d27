"""An office of mail, calendar, customers, tasks and site visits that agents can work in.

tools.py -> office.py -> office_rules.py    what a write would change
                      -> office_lookups.py  what a read returns
                      -> office_store.py    the SQLite file
                      -> office_mock.py     made-up rows
"""

from pathlib import Path
from typing import Any

from office_lookups import READS
from office_mock import Samples
from office_rules import WRITES, created
from office_store import CHANGING, TABLES, Edit, Row, Store, make

from buddy import ChangedSince

Args = dict[str, str | None]

# write -> the table whose rows it creates, updates or deletes, where that can be undone
CREATES = {
    "calendar.create_event": "events",
    "customer_relationship_manager.add_customer": "customers",
    "project_management.create_task": "tasks",
}
UPDATES = {
    "calendar.update_event": "events",
    "customer_relationship_manager.update_customer": "customers",
    "project_management.update_task": "tasks",
}
DELETES = {
    "calendar.delete_event": "events",
    "customer_relationship_manager.delete_customer": "customers",
    "project_management.delete_task": "tasks",
}


class Office:
    """One office; its file is made when the first call needs it, unless it exists."""

    def __init__(self, path: Path, data: Path | None = None) -> None:
        self._store = Store(path, data)

    @classmethod
    def create(cls, path: Path, data: Path | None = None) -> "Office":
        """Make a fresh office from a folder of CSV files (the shipped staff by default), replacing any."""
        make(path, data or Store(path).data, replace=True)
        return cls(path, data)

    def call(self, tool: str, args: Args, key: str = "") -> Any:
        """Do what a tool does; a write with an idempotency key that was done already is not done again."""
        if tool in READS:
            with self._store.session():
                return READS[tool](self._store, **args)
        with self._store.session(write=True):
            if key and (earlier := self._store.done(key)) is not None:
                return earlier
            edit = WRITES[tool](self._store, **args)
            self._store.apply(edit)
            if key:
                self._store.mark(key, edit.result)
            return edit.result

    def preview(self, tool: str, args: Args) -> Edit:
        """Return what a write would change, by reading only."""
        with self._store.session():
            return WRITES[tool](self._store, **args)

    def happened(self, key: str) -> bool:
        """Return whether the write with this idempotency key was done, and not undone."""
        with self._store.session():
            return self._store.done(key) is not None

    def undo(self, tool: str, result: Row | None, key: str = "") -> bool:
        """Undo a write; raises `ChangedSince` where the record is not what the write left.

        The result is what the write returned; it may be left out where the call had an idempotency key.
        Returns whether the state was read back; a call that was undone before is left alone.
        """
        with self._store.session(write=True):
            if key and self._store.undone(key):
                return False
            result = result or self._store.done(key)
            if result is None:
                raise ChangedSince(f"{tool}: there is no record of this call")
            edit = self._inverse(tool, result)
            self._store.apply(edit)
            self._store.mark_undone(key)
            return self._store.find(edit.table, edit.key) == edit.after

    def state(self) -> dict[str, list[Row]]:
        """Return every row that the tools can change."""
        with self._store.session():
            return {table: self._store.rows(table) for table in CHANGING}

    def _inverse(self, tool: str, result: Row) -> Edit:
        if tool in DELETES:
            # As in most real systems a record cannot be put back under its old id.
            table = DELETES[tool]
            return created(self._store, table, *(result[name] for name in TABLES[table][1:]))
        table = CREATES.get(tool) or UPDATES[tool]
        now = self._store.find(table, result[TABLES[table][0]])
        left = result if tool in CREATES else now and {**now, result["field"]: result["after"]}
        if now is None or now != left:
            raise ChangedSince(f"{table} {result[TABLES[table][0]]}: changed since the call")
        if tool in CREATES:
            return Edit(table=table, before=now)
        field = result["field"]
        return Edit(table=table, before=now, after={**now, field: result["before"]}, field=field)


def mock(tool: str, args: Args) -> Any:
    """Return a made-up result of a tool; refuses what can be refused without looking at an office."""
    if tool in READS:
        return READS[tool](Samples(), **args)
    return WRITES[tool](Samples(), **args).result


__all__ = ["CREATES", "DELETES", "READS", "UPDATES", "WRITES", "Office", "mock"]
