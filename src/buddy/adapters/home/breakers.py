"""Open breakers; a closed one has no row."""

import sqlite3

from buddy.ports import Breaker


def every(connection: sqlite3.Connection) -> list[Breaker]:
    """Every open breaker, oldest first."""
    rows = connection.execute("SELECT subject, opened_at, reason FROM breakers ORDER BY opened_at, subject")
    return [Breaker(*row) for row in rows]


def open_one(connection: sqlite3.Connection, breaker: Breaker) -> None:
    """Open one, or leave it open as it was."""
    connection.execute(
        "INSERT INTO breakers VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (breaker.subject, breaker.opened_at, breaker.reason),
    )


def close_one(connection: sqlite3.Connection, subject: str) -> bool:
    """Close one; returns whether it was open."""
    return connection.execute("DELETE FROM breakers WHERE subject = ?", (subject,)).rowcount > 0
