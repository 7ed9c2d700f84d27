"""What agents have used of the operator's caps."""

import sqlite3
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from buddy.model.config import Cap
from buddy.ports import Action

_TALLY = "SELECT calls, writes, at FROM tallies WHERE agent = ? AND tool = ?"
_TALLIES = "SELECT tool, calls, writes FROM tallies WHERE agent = ?"
_BEFORE = (
    "SELECT calls, writes FROM usage WHERE agent = ? AND tool = ? AND at <= ?"
    " ORDER BY at DESC, calls DESC LIMIT 1"
)
_RECIPIENTS = "SELECT recipient FROM recipients WHERE agent = ? AND tool = ? AND at > ?"
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def enter(connection: sqlite3.Connection, action: Action, now: float) -> None:
    """Count a live call."""
    known = connection.execute(_TALLY, (action.agent, action.tool)).fetchone()
    calls, writes, at = known or (0, 0, now)
    # The clock may be set back; the sums must not be.
    row = (action.agent, action.tool, calls + 1, writes + action.writes, max(at, now))
    connection.execute("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?, ?)", row)
    connection.execute("INSERT INTO usage (agent, tool, calls, writes, at) VALUES (?, ?, ?, ?, ?)", row)
    if action.recipient is not None:
        connection.execute(
            "INSERT OR REPLACE INTO recipients VALUES (?, ?, ?, ?)",
            (action.agent, action.tool, action.recipient, now),
        )


def used_up(
    connection: sqlite3.Connection,
    caps: Sequence[Cap],
    agent: str,
    tool: str,
    writes: bool,
    recipient: str | None,
    now: float,
) -> str:
    """Return one sentence on the first cap that leaves no room for one more call, or an empty string."""
    mine = [cap for cap in caps if fnmatchcase(tool, cap.tool) and fnmatchcase(agent, cap.agent)]
    if not mine:
        return ""
    tallies = connection.execute(_TALLIES, (agent,)).fetchall()
    for cap in mine:
        counted = [tally for tally in tallies if fnmatchcase(tally[0], cap.tool)]
        for what, limit, used in _counts(
            connection, cap, agent, counted, writes, recipient, now - cap.window_s
        ):
            if used >= limit:
                return (
                    f"agent {agent} has used up its cap of {limit:,} {what} of {cap.tool}"
                    f" in {span(cap.window_s)}; wait, or raise the cap"
                )
    return ""


def _counts(
    connection: sqlite3.Connection,
    cap: Cap,
    agent: str,
    tallies: Sequence[tuple[str, int, int]],
    writes: bool,
    recipient: str | None,
    since: float,
) -> Iterator[tuple[str, int, int]]:
    """Yield what this call would use, how much of it the cap gives, and how much is used."""
    if cap.calls is not None or cap.writes is not None:
        called = wrote = 0
        for tool, all_calls, all_writes in tallies:
            calls_before, writes_before = connection.execute(_BEFORE, (agent, tool, since)).fetchone() or (
                0,
                0,
            )
            called += all_calls - calls_before
            wrote += all_writes - writes_before
        if cap.calls is not None:
            yield "calls", cap.calls, called
        if cap.writes is not None and writes:
            yield "writes", cap.writes, wrote
    if cap.recipients is not None and recipient is not None:
        reached = {
            name for tool, *_ in tallies for (name,) in connection.execute(_RECIPIENTS, (agent, tool, since))
        }
        if recipient not in reached:
            yield "recipients", cap.recipients, len(reached)


def span(seconds: float) -> str:
    """Write a length of time in the largest unit that it fills, 5,400 s as `1.5 h`."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{max(seconds, 0):.3g} s"
