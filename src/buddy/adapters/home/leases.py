"""Leases: who may touch a resource now, first come first served.

A want is granted iff no row of another holder on any of its resources is incompatible (two reads are
compatible, nothing else) and is held, or waits with a smaller ticket. So a want is never overtaken on any
of its resources, and the oldest one only waits for those who act: nobody starves, nothing deadlocks.
"""

import sqlite3
from collections.abc import Sequence

from buddy.adapters.home.owners import Owner
from buddy.errors import IllegalMove
from buddy.ports import LeaseWant

_MINE = "SELECT resource, is_write, held, ticket FROM leases WHERE holder = ?"
_AHEAD = (
    "SELECT owner FROM leases WHERE resource = ? AND holder <> ? AND (is_write OR ?) AND (held OR ticket < ?)"
    " LIMIT 1"
)
_GRANT = "UPDATE leases SET held = 1 WHERE holder = ?"
_ENTER = "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)"
_LEAVE = "DELETE FROM leases WHERE holder = ?"
_BURY = "DELETE FROM leases WHERE owner = ?"
_LAST = "SELECT value FROM counters WHERE name = 'ticket'"
_KEEP = "UPDATE counters SET value = ? WHERE name = 'ticket'"


def acquire(connection: sqlite3.Connection, owner: Owner, wants: Sequence[LeaseWant]) -> list[bool]:
    """Grant each want whole, or queue it; a want asked for again keeps its place.

    Raises:
        IllegalMove: a holder asks for other resources than those it holds.
    """
    last = connection.execute(_LAST).fetchone()[0]
    ticket = last
    granted = []
    for want in wants:
        holder = f"{owner.token}/{want.holder}"
        claims = _claims(want)
        known = {
            resource: (is_write, held, number)
            for resource, is_write, held, number in connection.execute(_MINE, (holder,))
        }
        if known and {resource: row[0] for resource, row in known.items()} != claims:
            if any(held for _, held, _ in known.values()):
                raise IllegalMove(
                    f"{want.holder} holds leases and asks for others; it has to release them first"
                )
            connection.execute(_LEAVE, (holder,))
            known = {}
        if known:
            _, held, number = next(iter(known.values()))
            if not held and _free(connection, owner, holder, claims, number):
                connection.execute(_GRANT, (holder,))
                held = 1
            granted.append(bool(held))
            continue
        ticket += 1
        free = _free(connection, owner, holder, claims, ticket)
        for resource, is_write in claims.items():
            connection.execute(_ENTER, (resource, ticket, holder, owner.token, is_write, free))
        granted.append(free)
    if ticket != last:
        connection.execute(_KEEP, (ticket,))
    return granted


def release(connection: sqlite3.Connection, owner: Owner, holders: Sequence[str]) -> None:
    """Give up what these holders hold or wait for."""
    connection.executemany(_LEAVE, [(f"{owner.token}/{holder}",) for holder in holders])


def bury(connection: sqlite3.Connection, token: str) -> None:
    """Take away everything of a process that has ended."""
    connection.execute(_BURY, (token,))


def owners(connection: sqlite3.Connection) -> list[str]:
    """Every process that holds something or waits."""
    return [token for (token,) in connection.execute("SELECT DISTINCT owner FROM leases ORDER BY owner")]


def _claims(want: LeaseWant) -> dict[str, int]:
    claims: dict[str, int] = {}
    for resource, is_write in want.resources:
        claims[resource] = claims.get(resource, 0) | is_write
    return claims


def _free(
    connection: sqlite3.Connection, owner: Owner, holder: str, claims: dict[str, int], ticket: int
) -> bool:
    for resource, is_write in claims.items():
        while (
            row := connection.execute(_AHEAD, (resource, holder, is_write, ticket)).fetchone()
        ) is not None:
            if owner.lives(row[0]):
                return False
            bury(connection, row[0])
    return True
