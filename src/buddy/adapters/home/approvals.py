"""Approval requests: asked, voted on, consumed once."""

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec import structs

from buddy.core.approvals import edit_problem, person
from buddy.errors import BadInput
from buddy.journal.times import seconds
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from buddy.ports import Action

_PENDING, _APPROVED = ApprovalState.PENDING.value, ApprovalState.APPROVED.value
_FIELDS = "SELECT approval_id, state, request, votes, expires_at, items FROM approvals"
_STORED = {
    # A request that is past its expiry is still stored as what it was.
    ApprovalState.EXPIRED: (_PENDING, _APPROVED),
}
_Row = tuple[str, str, bytes, bytes, float, int]
_encode = msgspec.json.Encoder().encode
_request = msgspec.json.Decoder(ApprovalRequest).decode
_votes = msgspec.json.Decoder(tuple[Vote, ...]).decode


def ask(connection: sqlite3.Connection, request: ApprovalRequest) -> Approval:
    """File a request, superseding the one it names; the same id again changes nothing.

    Raises:
        BadInput: its expiry is no time.
    """
    known = _load(connection, request.approval_id)
    if known is not None:
        return _approval(connection, known, None)
    try:
        expires_at = seconds(request.expires_at)
    except ValueError as problem:
        raise BadInput(
            f"approval {request.approval_id} cannot be asked for: its expiry, {problem}"
        ) from problem
    connection.execute(
        "INSERT INTO approvals"
        " (approval_id, run_id, action, items, binding, expires_at, state, request, votes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            request.approval_id,
            request.run_id,
            f"{request.plan_id}/{request.step_id}",
            len(request.items),
            request.binding,
            expires_at,
            _PENDING,
            _encode(request),
            b"[]",
        ),
    )
    if request.supersedes is not None:
        connection.execute(
            "UPDATE approvals SET state = ? WHERE approval_id = ? AND state IN (?, ?)",
            (ApprovalState.SUPERSEDED.value, request.supersedes, _PENDING, _APPROVED),
        )
    return Approval(request=request, state=ApprovalState.PENDING)


def one(connection: sqlite3.Connection, approval_id: str, now: float) -> Approval | None:
    """Return a request as it stands."""
    row = _load(connection, approval_id)
    return None if row is None else _approval(connection, row, now)


def several(
    connection: sqlite3.Connection, now: float, run_id: str | None, state: ApprovalState | None
) -> list[Approval]:
    """Return requests, oldest first."""
    conditions = []
    values: list[str] = []
    if run_id is not None:
        conditions.append("run_id = ?")
        values.append(run_id)
    if state is not None:
        stored = _STORED.get(state, (state.value,))
        conditions.append(f"state IN ({', '.join('?' * len(stored))})")
        values.extend(stored)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(f"{_FIELDS}{where} ORDER BY id", values).fetchall()
    found = [_approval(connection, row, now) for row in rows]
    return [approval for approval in found if state is None or approval.state is state]


def vote(connection: sqlite3.Connection, approval_id: str, said: Vote, now: float) -> Approval:
    """Record what a person said: one denial denies, a quorum of distinct people approves.

    Raises:
        BadInput: unknown request, no longer pending, nobody, the requester itself, the same person twice, or
            for arguments that it cannot have.
    """
    approval = one(connection, approval_id, now)
    if approval is None:
        raise BadInput(
            f"there is no approval request {approval_id}; `buddy approvals list` shows those there are"
        )
    if approval.state is not ApprovalState.PENDING:
        raise BadInput(f"approval request {approval_id} is {approval.state.value}: it takes no more votes")
    voter = person(said.by)
    if not voter:
        raise BadInput(f"a vote on approval request {approval_id} has to say whose it is")
    if voter == person(approval.request.agent):
        raise BadInput(
            f"{said.by} made the approval request {approval_id} and cannot decide it; somebody else must"
        )
    if any(voter == person(earlier.by) for earlier in approval.votes):
        raise BadInput(
            f"{said.by} has voted on approval request {approval_id} already; it needs"
            f" {approval.request.quorum} different people"
        )
    edited = said.edited_args
    problem = edit_problem(approval.request.args, edited) if edited is not None else ""
    if problem:
        raise BadInput(f"a vote on approval request {approval_id} for other arguments: {problem}")
    votes = (*approval.votes, said)
    state = _decided(votes, approval.request.quorum)
    connection.execute(
        "UPDATE approvals SET state = ?, votes = ? WHERE approval_id = ?",
        (state.value, _encode(votes), approval_id),
    )
    return structs.replace(approval, state=state, votes=votes)


def cancel(connection: sqlite3.Connection, run_id: str) -> int:
    """Close every pending request of a run; returns how many."""
    return connection.execute(
        "UPDATE approvals SET state = ? WHERE run_id = ? AND state = ?",
        (ApprovalState.CANCELLED.value, run_id, _PENDING),
    ).rowcount


def version(connection: sqlite3.Connection) -> int:
    """Return a number that grows with every change to any request but the passing of its expiry."""
    number: int = connection.execute("SELECT value FROM counters WHERE name = 'approvals'").fetchone()[0]
    return number


def objection(connection: sqlite3.Connection, action: Action, now: float) -> str:
    """Return one sentence on why an action may not consume the approval it names, or an empty string."""
    row = connection.execute(
        "SELECT run_id, action, items, binding, expires_at, state FROM approvals WHERE approval_id = ?",
        (action.approval,),
    ).fetchone()
    if row is None:
        return f"there is no approval {action.approval}"
    run_id, asked_for, items, binding, expires_at, state = row
    if state != _APPROVED:
        return f"approval {action.approval} is {state}"
    if run_id != action.run_id or not _covers(asked_for, items, action.step):
        asked = f"{items} items of {asked_for}" if items else asked_for
        return (
            f"approval {action.approval} covers {asked} of run {run_id},"
            f" not {action.step} of run {action.run_id}"
        )
    if binding != action.binding:
        return f"approval {action.approval} was given for another contract, other arguments or other changes"
    if now >= expires_at and action.step not in _consumed(connection, action.approval):
        return f"approval {action.approval} is {ApprovalState.EXPIRED.value}"
    return ""


def consume(connection: sqlite3.Connection, approval_id: str, step: str) -> None:
    """Use an approval for a step; the same step again changes nothing."""
    connection.execute(
        "INSERT INTO consumptions (approval_id, action) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (approval_id, step),
    )


def _load(connection: sqlite3.Connection, approval_id: str) -> _Row | None:
    row: _Row | None = connection.execute(f"{_FIELDS} WHERE approval_id = ?", (approval_id,)).fetchone()
    return row


def _consumed(connection: sqlite3.Connection, approval_id: str | None) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT action FROM consumptions WHERE approval_id = ? ORDER BY id", (approval_id,)
    )
    return tuple(action for (action,) in rows)


def _approval(connection: sqlite3.Connection, row: _Row, now: float | None) -> Approval:
    approval_id, stored, request, votes, expires_at, items = row
    consumed = _consumed(connection, approval_id)
    state = msgspec.convert(stored, ApprovalState)
    open_still = state is ApprovalState.PENDING or (
        state is ApprovalState.APPROVED and len(consumed) < max(items, 1)
    )
    if now is not None and open_still and now >= expires_at:
        state = ApprovalState.EXPIRED
    return Approval(request=_request(request), state=state, votes=_votes(votes), consumed_by=consumed)


def _covers(asked_for: str, items: int, step: str) -> bool:
    if not items:
        return step == asked_for
    number = step.removeprefix(f"{asked_for}[").removesuffix("]")
    return (
        number.isascii()
        and number.isdigit()
        and int(number) < items
        and step == f"{asked_for}[{int(number)}]"
    )


def _decided(votes: Sequence[Vote], quorum: int) -> ApprovalState:
    if not all(said.approve for said in votes):
        return ApprovalState.DENIED
    return ApprovalState.APPROVED if len(votes) >= quorum else ApprovalState.PENDING
