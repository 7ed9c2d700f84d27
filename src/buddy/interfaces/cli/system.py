"""Commands about the whole system: lock, status, breakers."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buddy.model.violations import ViolationTally


def lock(args: argparse.Namespace) -> int:
    """Freeze everything to MOCK at once."""
    from buddy.errors import BadInput

    if not args.reason.strip():
        raise BadInput("--reason: expected why the system is locked, for the record, found an empty text")
    return _set_lock(args, True, args.reason)


def unlock(args: argparse.Namespace) -> int:
    """Open the system lock."""
    return _set_lock(args, False, "")


def _set_lock(args: argparse.Namespace, engaged: bool, reason: str) -> int:
    import time
    from contextlib import closing

    from buddy import wiring
    from buddy.interfaces.cli import people
    from buddy.interfaces.cli.printing import emit, say

    with closing(wiring.home()) as home:
        before = home.lock_state()
        state = home.set_lock(engaged, people.user(), reason, time.time())
    if args.json:
        emit({"changed": state.epoch != before.epoch, "lock": state})
        return 0
    already = "" if state.epoch != before.epoch else "already "
    if state.engaged:
        say(f"the system is {already}locked by {state.by}: {state.reason}; nothing goes above MOCK")
    else:
        say(f"the system is {already}open")
    return 0


def status(args: argparse.Namespace) -> int:
    """Show lock, runs, approvals, breakers, and what code tried in the sandbox."""
    import time
    from collections import Counter
    from contextlib import closing

    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say
    from buddy.model.approval import ApprovalState

    with closing(wiring.home()) as home:
        locked, breakers = home.lock_state(), home.breakers()
        pending = home.approvals(time.time(), None, ApprovalState.PENDING)
        rows = home.runs()
    runs, tried = Counter(row.state for row in rows), wiring.violations(rows)
    if args.json:
        emit(
            {
                "lock": locked,
                "runs": dict(sorted(runs.items())),
                "pending_approvals": [approval.request.approval_id for approval in pending],
                "open_breakers": [_breaker(breaker) for breaker in breakers],
                "sandbox_violations": tried,
            }
        )
        return 0
    say(f"lock       {f'engaged by {locked.by}: {locked.reason}' if locked.engaged else 'open'}")
    say(f"runs       {', '.join(f'{count:,} {state}' for state, count in sorted(runs.items())) or 'none'}")
    say(f"approvals  {len(pending):,} waiting{' (`buddy approvals list`)' if pending else ''}")
    say(f"breakers   {', '.join(breaker.subject for breaker in breakers) or 'none open'}")
    say(*(f"{label:<11}{told}" for label, told in _tried(tried)))
    return 0


def _tried(tally: "ViolationTally") -> "Iterator[tuple[str, str]]":
    counts = ", ".join(f"{count:,} {kind}" for kind, count in tally.by_type.items())
    more = f"; {tally.unreadable:,} unreadable in the logs" if tally.unreadable else ""
    by = f" by {tally.executions:,} executions" if tally.executions > 1 else ""
    yield "sandbox", f"{counts or 'no violation'}{by}{more}"
    if (last := tally.last) is not None:
        line = f", line {last.line}" if last.line is not None else ""
        yield "", f"last {last.timestamp[:19]} UTC: {last.details} ({last.execution_id}{line})"


def list_breakers(args: argparse.Namespace) -> int:
    """List open breakers."""
    from contextlib import closing

    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say, table

    with closing(wiring.home()) as home:
        rows = [_breaker(breaker) for breaker in home.breakers()]
    if args.json:
        emit(rows)
    elif rows:
        shown = [(row["subject"], row["opened_at"][:19], row["reason"]) for row in rows]
        table(("subject", "opened (UTC)", "reason"), shown)
    else:
        say("no breaker is open")
    return 0


def _breaker(breaker: Any) -> dict[str, str]:
    from buddy.journal.times import iso

    return {"subject": breaker.subject, "opened_at": iso(breaker.opened_at), "reason": breaker.reason}


def close_breaker(args: argparse.Namespace) -> int:
    """Close breakers."""
    from contextlib import closing

    from buddy import wiring
    from buddy.errors import BadInput
    from buddy.interfaces.cli.printing import emit, say

    with closing(wiring.home()) as home:
        closed = {subject: home.close_breaker(subject) for subject in dict.fromkeys(args.subjects)}
    done = [subject for subject, was_open in closed.items() if was_open]
    if args.json:
        emit({"closed": done})
    else:
        say(*(f"closed {subject}" for subject in done))
    if len(done) < len(closed):
        missing = [subject for subject, was_open in closed.items() if not was_open]
        raise BadInput([f"expected an open breaker, found none on {subject!r}" for subject in missing])
    return 0
