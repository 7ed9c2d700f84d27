"""The runs of a home, and where their journals end."""

import sqlite3

import msgspec

from buddy.errors import BadInput, IllegalMove
from buddy.journal.codec import Head
from buddy.model.mode import Mode
from buddy.ports import RUNNING, RunRow


def register(connection: sqlite3.Connection, row: RunRow) -> None:
    """Add a run, take up again the one with this id and folder, or replace one that came to rest.

    Raises:
        BadInput: a run with this id goes on in another folder.
    """
    known = connection.execute("SELECT folder, state FROM runs WHERE run_id = ?", (row.run_id,)).fetchone()
    if known is not None:
        folder, state = known
        if folder != row.folder and state == RUNNING:
            raise BadInput(
                f"a run {row.run_id} is under way in {folder}; choose another id, or finish that one with"
                f" `buddy resume {folder}`"
            )
    connection.execute(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row.run_id, row.folder, row.mode.value, row.started_at, row.state, row.head.seq, row.head.hash),
    )


def keep_head(connection: sqlite3.Connection, run_id: str, head: Head, state: str) -> None:
    """Remember where a run's journal ends.

    Raises:
        IllegalMove: the run was never registered.
    """
    changed = connection.execute(
        "UPDATE runs SET head_seq = ?, head_hash = ?, state = ? WHERE run_id = ?",
        (head.seq, head.hash, state, run_id),
    ).rowcount
    if not changed:
        raise IllegalMove(f"the head of run {run_id} cannot be kept: the run was never registered")


def note_head(connection: sqlite3.Connection, run_id: str, head: Head) -> None:
    """Remember how far the journal of a run under way has come; a run that is not known here is none.

    Args:
        connection: to the database, in a transaction.
        run_id: of the run.
        head: a line that is on the disk already, so that no journal is shorter by an accident.
    """
    connection.execute(
        "UPDATE runs SET head_seq = ?, head_hash = ? WHERE run_id = ?", (head.seq, head.hash, run_id)
    )


def every(connection: sqlite3.Connection) -> list[RunRow]:
    """Every run, newest first."""
    rows = connection.execute(
        "SELECT run_id, folder, mode, started_at, state, head_seq, head_hash FROM runs"
        " ORDER BY started_at DESC, run_id DESC"
    )
    return [
        RunRow(
            run_id=run_id,
            folder=folder,
            mode=msgspec.convert(mode, Mode),
            started_at=started_at,
            state=state,
            head=Head(seq, digest),
        )
        for run_id, folder, mode, started_at, state, seq, digest in rows
    ]
