"""The action ledger: which writes were made, so that none is made twice by mistake."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from buddy.adapters.home import approvals, lock, times, usage
from buddy.model.config import Cap
from buddy.ports import Action, Admitted, Earlier, Freed, Refused

_SAME = (
    "SELECT id, run_id, step, at, irreversible FROM actions"
    " WHERE substr(digest, 1, 6) = substr(?1, 1, 6) AND +digest = ?1 AND NOT (run_id = ?2 AND step = ?3)"
    " AND (at >= ?4 OR irreversible AND ?5) ORDER BY id DESC"
)
_SINCE = (
    "SELECT 1 FROM action_resources JOIN actions ON actions.id = action"
    " WHERE resource = ? AND action > ? AND digest <> ? LIMIT 1"
)
_KNOWN = (
    "SELECT value FROM json_each(?) WHERE EXISTS"
    " (SELECT 1 FROM actions WHERE substr(digest, 1, 6) = substr(value, 1, 6) AND +digest = value)"
)
_OF_STEP = (
    "SELECT id, resources FROM actions"
    " WHERE substr(digest, 1, 6) = substr(?1, 1, 6) AND +digest = ?1 AND run_id = ?2 AND step = ?3"
)
_NEXT = "SELECT coalesce(max(id), 0) + 1 FROM actions"
_ENTER = "INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RESOURCE = "INSERT INTO action_resources VALUES (?, ?)"
Row = tuple[int, bytes]
"""Of an action: its id, and the resources that it writes."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


def admit(
    connection: sqlite3.Connection,
    actions: Sequence[Action],
    now: float,
    window_s: float,
    caps: Sequence[Cap],
    reached: float,
) -> list[Admitted | Refused]:
    """Check each action and write it into the books, or say why not and write nothing of it."""
    state = lock.state(connection)
    if state.engaged:
        reason = f"the system lock was engaged by {state.by}: {state.reason}; `buddy unlock` releases it"
        return [Refused("lock", reason)] * len(actions)
    admitted = Admitted(state.epoch, times.advance(connection, max(now, reached)))
    answers: list[Admitted | Refused] = []
    books = _Books(connection, actions)
    for action in actions:
        refused = None
        if caps or action.approval is not None or books.knows(action):
            refused = _refusal(connection, action, now, window_s, caps, books)
        if refused is None:
            _enter(connection, action, now, admitted.at, caps, books)
        answers.append(refused or admitted)
    books.write()
    return answers


class _Books:
    """The ledger for a batch of actions, read and written in a statement each."""

    def __init__(self, connection: sqlite3.Connection, actions: Sequence[Action]) -> None:
        self._connection = connection
        digests = _encode([action.digest for action in actions]).decode()
        self._known = {digest for (digest,) in connection.execute(_KNOWN, (digests,))}
        self._next = connection.execute(_NEXT).fetchone()[0]
        self._rows: list[tuple[object, ...]] = []
        self._resources: list[tuple[str, int]] = []

    def knows(self, action: Action) -> bool:
        """Whether an action with this digest may be in the ledger; what waits to be written then is."""
        if action.digest not in self._known:
            return False
        self.write()
        return True

    def enter(self, action: Action, at: float) -> None:
        """Enter an action; a retry is taken out and entered again, as it comes after what happened since."""
        if self.knows(action):
            _take_out(self._connection, action.run_id, action.step, action.digest)
        resources = action.resources
        if len(resources) > 1:
            resources = tuple(dict.fromkeys(resources))
        self._known.add(action.digest)
        # Numbers and bytearrays: the module sqlite3 looks for a way to convert every bool and all bytes.
        self._rows.append(
            (
                self._next,
                action.digest,
                action.run_id,
                action.step,
                action.tool,
                action.agent,
                at,
                int(action.irreversible),
                bytearray(_encode(resources)),
            )
        )
        for resource in resources:
            self._resources.append((resource, self._next))
        self._next += 1

    def write(self) -> None:
        """Write what was entered."""
        if self._rows:
            self._connection.executemany(_ENTER, self._rows)
            self._connection.executemany(_RESOURCE, self._resources)
            self._rows, self._resources = [], []


def settle(connection: sqlite3.Connection, run_id: str, freed: Sequence[Freed]) -> None:
    """Take out what had no effect or was undone."""
    for action in freed:
        _take_out(connection, run_id, action.step, action.digest)


def not_standing(connection: sqlite3.Connection, run_id: str, standing: Sequence[str]) -> list[Row]:
    """Return every action of a run but those of the steps that may stand; looks through the whole ledger."""
    kept = frozenset(standing)
    rows = connection.execute("SELECT id, step, resources FROM actions WHERE run_id = ?", (run_id,))
    return [(number, resources) for number, step, resources in rows if step not in kept]


def remove(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Take out actions."""
    for number, resources in rows:
        connection.execute("DELETE FROM actions WHERE id = ?", (number,))
        for resource in _decode(resources):
            connection.execute(
                "DELETE FROM action_resources WHERE resource = ? AND action = ?", (resource, number)
            )


def earlier(
    connection: sqlite3.Connection,
    digest: str,
    run_id: str,
    step: str,
    resources: Sequence[str],
    since: float,
    *,
    any_age: bool = True,
) -> Iterator[Earlier]:
    """Yield identical actions of other steps with no other write to the same resources since, newest first.

    Args:
        connection: to the database.
        digest: of the action.
        run_id: of the run, and
        step: of it whose own rows do not count.
        resources: that it writes.
        since: seconds since the epoch; older ones do not count.
        any_age: irreversible ones count however old they are.
    """
    for number, other_run, other_step, at, irreversible in connection.execute(
        _SAME, (digest, run_id, step, since, any_age)
    ):
        # Another write after this one came after every older one too.
        if _overwritten(connection, resources, digest, number):
            return
        yield Earlier(other_run, other_step, at, bool(irreversible))


def _refusal(
    connection: sqlite3.Connection,
    action: Action,
    now: float,
    window_s: float,
    caps: Sequence[Cap],
    books: _Books,
) -> Refused | None:
    if action.approval is not None:
        reason = approvals.objection(connection, action, now)
        if reason:
            return Refused("approval", reason)
    if caps:
        reason = usage.used_up(
            connection, caps, action.agent, action.tool, action.writes, action.recipient, now
        )
        if reason:
            return Refused("caps", reason)
    if (
        action.writes
        and action.ledger
        and not (action.repeat or action.idempotent or action.ignore_duplicates)
        and books.knows(action)
    ):
        since = now - window_s
        same = earlier(
            connection, action.digest, action.run_id, action.step, action.resources, since, any_age=False
        )
        for latest in same:
            ago = usage.span(max(0.0, now - latest.at))
            return Refused(
                "duplicate",
                f"the same action was taken {ago} ago by step {latest.step} of run {latest.run_id};"
                " `repeat: true` on the step says that it is meant again",
            )
    return None


def _enter(
    connection: sqlite3.Connection,
    action: Action,
    now: float,
    steady: float,
    caps: Sequence[Cap],
    books: _Books,
) -> None:
    if action.approval is not None:
        approvals.consume(connection, action.approval, action.step)
    if caps:
        usage.enter(connection, action, now)
    if action.writes and action.ledger:
        # By a clock that is behind for a moment the window would be over as soon as it is right again.
        books.enter(action, steady)


def _take_out(connection: sqlite3.Connection, run_id: str, step: str, digest: str) -> None:
    remove(connection, connection.execute(_OF_STEP, (digest, run_id, step)).fetchall())


def _overwritten(connection: sqlite3.Connection, resources: Sequence[str], digest: str, after: int) -> bool:
    return any(
        connection.execute(_SINCE, (resource, after, digest)).fetchone() is not None for resource in resources
    )
