"""Leases: who may touch a resource now, first come first served.

A want is granted iff no row of another holder on any of its resources is incompatible (two reads are
compatible, nothing else) and is held, or waits with a smaller ticket. So a want is never overtaken on any
of its resources, and the oldest one only waits for those who act: nobody starves, nothing deadlocks.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from buddy.adapters.home.owners import Owner
from buddy.errors import IllegalMove
from buddy.ports import LeaseWant

_ON = (
    "SELECT resource, ticket, holder, owner, is_write, held FROM leases"
    " WHERE resource IN (SELECT value FROM json_each(?))"
)
_OF = (
    "SELECT resource, ticket, holder, owner, is_write, held FROM leases"
    " WHERE holder IN (SELECT value FROM json_each(?))"
)
_GRANT = "UPDATE leases SET held = 1 WHERE holder IN (SELECT value FROM json_each(?))"
_ENTER = "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)"
_LEAVE = "DELETE FROM leases WHERE holder IN (SELECT value FROM json_each(?))"
_BURY = "DELETE FROM leases WHERE owner = ?"
_LAST = "SELECT value FROM counters WHERE name = 'ticket'"
_KEEP = "UPDATE counters SET value = ? WHERE name = 'ticket'"

_encode = msgspec.json.Encoder().encode


class _Row(msgspec.Struct, gc=False):
    """One lease: who holds a resource, or waits for it."""

    resource: str
    ticket: int
    holder: str
    owner: str
    is_write: int
    held: int


def acquire(
    connection: sqlite3.Connection, owner: Owner, wants: Sequence[LeaseWant], known: Collection[str]
) -> list[bool]:
    """Grant each want whole, or queue it; a want asked for again keeps its place.

    Args:
        connection: to the database, in a transaction.
        owner: whose wants these are.
        wants: what is asked for.
        known: holders of this owner that may have asked before.

    Raises:
        IllegalMove: a holder asks for other resources than those it holds.
    """
    book = _Book(connection, owner, wants, known)
    granted = [book.ask(_key(owner, want.holder), want) for want in wants]
    book.write()
    return granted


class _Book:
    """The leases that a batch of wants has to do with, read in two statements and written in as few."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        owner: Owner,
        wants: Sequence[LeaseWant],
        known: Collection[str],
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._on: dict[str, list[_Row]] = {}
        self._of: dict[str, list[_Row]] = {}
        self._entered: list[_Row] = []
        self._granted: list[str] = []
        self._left: list[str] = []
        self._last = self._ticket = connection.execute(_LAST).fetchone()[0]
        resources = {_whole(resource) for want in wants for resource, _ in want.resources}
        again = {_key(owner, want.holder) for want in wants if want.holder in known}
        for row in self._read(_OF, again) if again else ():
            self._of.setdefault(row.holder, []).append(row)
            self._on.setdefault(row.resource, []).append(row)
        for row in self._read(_ON, resources):
            if row.holder not in self._of:
                self._on.setdefault(row.resource, []).append(row)

    def _read(self, statement: str, keys: Iterable[str]) -> list[_Row]:
        return [_Row(*row) for row in self._connection.execute(statement, (_listed(keys),))]

    def ask(self, holder: str, want: LeaseWant) -> bool:
        """Grant a want, or leave it waiting at its place."""
        claims = _claims(want)
        known = self._of.get(holder, [])
        if known and {row.resource: row.is_write for row in known} != claims:
            if any(row.held for row in known):
                raise IllegalMove(
                    f"{want.holder} holds leases and asks for others; it has to release them first"
                )
            self._leave(holder)
            known = []
        if known:
            if not known[0].held and self._free(holder, claims, known[0].ticket):
                for row in known:
                    row.held = 1
                self._granted.append(holder)
            return bool(known[0].held)
        self._ticket += 1
        free = self._free(holder, claims, self._ticket)
        held = int(free)  # the module sqlite3 looks for a way to convert every bool
        rows = [
            _Row(resource, self._ticket, holder, self._owner.token, is_write, held)
            for resource, is_write in claims.items()
        ]
        for row in rows:
            self._on.setdefault(row.resource, []).append(row)
        self._of[holder] = rows
        self._entered += rows
        return free

    def write(self) -> None:
        """Bring the database up to what was decided."""
        execute = self._connection.execute
        if self._left:
            execute(_LEAVE, (_listed(self._left),))
        if self._granted:
            execute(_GRANT, (_listed(self._granted),))
        if self._entered:
            self._connection.executemany(_ENTER, [msgspec.structs.astuple(row) for row in self._entered])
        if self._ticket != self._last:
            execute(_KEEP, (self._ticket,))

    def _free(self, holder: str, claims: dict[str, int], ticket: int) -> bool:
        """Whether nobody who is in the way is alive; those who are dead are buried."""
        for resource, is_write in claims.items():
            for row in list(self._on.get(resource, ())):
                ahead = row.held or row.ticket < ticket
                if row.holder == holder or not ahead or not (row.is_write or is_write):
                    continue
                if self._owner.lives(row.owner):
                    return False
                self._forget(row.owner)
        return True

    def _forget(self, token: str) -> None:
        bury(self._connection, token)
        for resource, rows in self._on.items():
            self._on[resource] = [row for row in rows if row.owner != token]

    def _leave(self, holder: str) -> None:
        self._left.append(holder)
        for row in self._of.pop(holder):
            self._on[row.resource] = [one for one in self._on.get(row.resource, ()) if one.holder != holder]


def release(connection: sqlite3.Connection, owner: Owner, holders: Sequence[str]) -> None:
    """Give up what these holders hold or wait for."""
    if holders:
        connection.execute(_LEAVE, (_listed(_key(owner, holder) for holder in holders),))


def bury(connection: sqlite3.Connection, token: str) -> None:
    """Take away everything of a process that has ended."""
    connection.execute(_BURY, (token,))


def owners(connection: sqlite3.Connection) -> list[str]:
    """Every process that holds something or waits."""
    return [token for (token,) in connection.execute("SELECT DISTINCT owner FROM leases ORDER BY owner")]


def _key(owner: Owner, holder: str) -> str:
    return _whole(f"{owner.token}/{holder}")


def _whole(name: str) -> str:
    """Write a name so that SQLite, whose JSON ends a text at a NUL, takes no two for the same."""
    if "\0" in name or "\1" in name:
        return name.replace("\1", "\1\1").replace("\0", "\1\2")
    return name


def _listed(keys: Iterable[str]) -> str:
    return _encode(list(keys)).decode()


def _claims(want: LeaseWant) -> dict[str, int]:
    claims: dict[str, int] = {}
    for name, is_write in want.resources:
        resource = _whole(name)
        claims[resource] = claims.get(resource, 0) | is_write
    return claims
