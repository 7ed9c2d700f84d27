"""Commands about what people are asked."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buddy.model.approval import Approval, Vote


def list_requests(args: argparse.Namespace) -> int:
    """List requests, oldest first."""
    import time
    from contextlib import closing

    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say, table
    from buddy.model.approval import ApprovalState

    with closing(wiring.home()) as home:
        found = home.approvals(time.time(), args.run, None if args.all else ApprovalState.PENDING)
    if args.json:
        emit(found)
        return 0
    if not found:
        say("nobody was asked anything" if args.all else "nothing waits for a person")
        return 0
    table(("approval", "state", "risk", "tool", "agent", "asked (UTC)", "run plan/step"), map(_row, found))
    if not args.all:
        say("", "`buddy approvals show ID` shows what would change; approve or deny takes several IDs")
    return 0


def _row(approval: "Approval") -> tuple[str, ...]:
    it = approval.request
    many = f" x {len(it.items)}" if it.items else ""
    where = f"{it.run_id} {it.plan_id}/{it.step_id}"
    state, asked = approval.state.value, it.requested_at[:19]
    return (it.approval_id, state, it.risk.value, f"{it.tool}{many}", it.agent, asked, where)


def show(args: argparse.Namespace) -> int:
    """Show all that is asked, and what was said."""
    import time
    from contextlib import closing

    from buddy import wiring
    from buddy.errors import BadInput
    from buddy.interfaces.cli.printing import emit, say
    from buddy.interfaces.cli.requests import approval_lines

    with closing(wiring.home()) as home:
        asked = {name: home.approval(name, time.time()) for name in args.ids}
    found = [approval for approval in asked.values() if approval is not None]
    missing = [name for name, approval in asked.items() if approval is None]
    if missing:
        raise BadInput([f"expected an approval request, found none called {name!r}" for name in missing])
    if args.json:
        emit(found)
        return 0
    for approval in found:
        say(*approval_lines(approval))
    return 0


def approve(args: argparse.Namespace) -> int:
    """Say yes, perhaps to other arguments."""
    from buddy.errors import BadInput

    edited = None
    if args.edit is not None:
        if len(args.ids) > 1:
            raise BadInput(f"--edit: expected one request to edit, found {len(args.ids)}")
        edited = _edited(args.edit)
    return _vote(args, True, edited)


def deny(args: argparse.Namespace) -> int:
    """Say no."""
    return _vote(args, False, None)


def _edited(text: str) -> dict[str, Any]:
    from pathlib import Path

    import msgspec

    from buddy.core.planning import TOO_DEEP
    from buddy.errors import BadInput

    try:
        data = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        found = msgspec.json.decode(data)
    except RecursionError as problem:
        raise BadInput(f"--edit: {TOO_DEEP}") from problem
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise BadInput(
            f"--edit: expected a JSON object, or @FILE with one, found {text!r}: {why}"
        ) from problem
    if not isinstance(found, dict):
        raise BadInput(f"--edit: expected a JSON object of arguments, found {text!r}")
    return found


def _vote(args: argparse.Namespace, approve: bool, edited: dict[str, Any] | None) -> int:
    """Vote on every request, or on none where one of them takes no vote."""
    import time
    from contextlib import closing

    from buddy import wiring
    from buddy.errors import BadInput
    from buddy.interfaces.cli import people
    from buddy.journal.times import iso
    from buddy.model.approval import Vote

    now = time.time()
    by = people.user() if args.person is None else args.person
    vote = Vote(by=by, approve=approve, at=iso(now), reason=args.reason, edited_args=edited)
    names = list(dict.fromkeys(args.ids))
    voted: list[Approval] = []
    problems: list[str] = []
    with closing(wiring.home()) as home:
        wrong = [sentence for name in names for sentence in _objections(name, home.approval(name, now), vote)]
        if wrong:
            raise BadInput([*wrong, *(["nothing was decided"] if len(names) > 1 else [])])
        for name in names:
            try:
                voted.append(home.vote(name, vote, now))
            except BadInput as problem:  # somebody else decided it in this very moment
                problems += problem.problems
    _tell(args, voted)
    if problems:
        raise BadInput(problems)
    return 0


def _objections(name: str, approval: "Approval | None", vote: "Vote") -> "Iterator[str]":
    """Yield why a request takes no such vote."""
    from buddy import wiring
    from buddy.core.approvals import person
    from buddy.model.approval import ApprovalState

    if approval is None:
        yield f"expected an approval request, found none called {name!r}; `buddy approvals list` names them"
    elif approval.state is not ApprovalState.PENDING:
        state = approval.state.value
        yield f"{name}: expected a request that is PENDING, found it {state}: it takes no more votes"
    else:
        voter = person(vote.by)
        if voter == person(approval.request.agent):
            yield f"{name}: {vote.by} asks for it and cannot decide it; somebody else must"
        if voter in (person(earlier.by) for earlier in approval.votes):
            yield f"{name}: {vote.by} has voted on it already; somebody else must"
        if vote.edited_args is not None:
            yield from wiring.wrong_edit(approval.request, vote.edited_args)


def _tell(args: argparse.Namespace, voted: "Sequence[Approval]") -> None:
    from buddy.interfaces.cli.printing import emit, say
    from buddy.model.approval import ApprovalState
    from buddy.projections.phrases import resuming

    if args.json:
        emit(voted)
        return
    for approval in voted:
        it = approval.request
        yes = sum(vote.approve for vote in approval.votes)
        more = f" ({yes} of {it.quorum} have said yes)" if approval.state is ApprovalState.PENDING else ""
        say(f"{it.approval_id} is {approval.state.value}{more}: {it.tool} for {it.plan_id}/{it.step_id}")
    for run in dict.fromkeys(approval.request.run_id for approval in voted):
        say(f"if {run} is not under way, `{resuming(run)}` goes on with it")
