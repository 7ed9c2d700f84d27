"""The auditor's book of approvals: what was asked, what was said, and which actions it let through."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from buddy.core.audit_rules import Finding
from buddy.core.audit_terms import fan_out
from buddy.journal.events import ApprovalDecided
from buddy.journal.times import iso, seconds
from buddy.model.approval import ApprovalRequest, ApprovalState

EXPIRY_SLACK_S = 0.5
"""An approval is consumed a moment before the intent that says so is written."""

_OPEN = frozenset({ApprovalState.PENDING, ApprovalState.APPROVED})
_encoder = msgspec.json.Encoder(order="deterministic")


def args_print(args: Any) -> int:
    """Return a fingerprint of arguments, never 0, good within this process."""
    return hash(_encoder.encode(args)) or 1


class Use(Struct, frozen=True, kw_only=True):
    """An action that leans on an approval.

    Attributes:
        plan, step, tool: whose.
        digest: of the arguments.
        contract: digest of the contract in force.
        args: fingerprint of the arguments rehearsed under the digest, 0 where none were seen.
        time: when, UTC ISO 8601.
    """

    plan: str
    step: str
    tool: str
    digest: str
    contract: str
    args: int
    time: str


class _Asked:
    """One request, without its arguments and previews, which can be large."""

    __slots__ = (
        "agent", "args", "by", "contract", "expires_at", "let_through", "plan", "quorum", "run", "state",
        "step", "taken", "tool",
    )  # fmt: skip

    def __init__(self, request: ApprovalRequest, time: str) -> None:
        self.run, self.plan, self.step = request.run_id, request.plan_id, request.step_id
        self.tool, self.agent = request.tool, request.agent
        self.contract, self.quorum = request.contract, request.quorum
        self.expires_at = _expiry(request, time)
        self.args = _prints(request)
        self.state = ApprovalState.PENDING
        self.by: frozenset[str] = frozenset()
        self.taken: dict[tuple[str, str], str] = {}
        self.let_through: set[str] = set()


def _person(name: str) -> str:
    """Return who is meant: `Ada` and `ada ` are not two people."""
    return name.strip().casefold()


def _prints(request: ApprovalRequest) -> int | tuple[int, ...]:
    """Return the fingerprint of a single call's arguments, or one for each item of a fan-out."""
    if isinstance(request.args, list):
        return tuple(args_print(args) for args in request.args)
    return (0,) * len(request.items) if request.items else args_print(request.args)


class Approvals:
    """Every approval of a run, folded from its journal."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def ask(self, request: ApprovalRequest, time: str) -> None:
        """Take note of a request; the same id again changes nothing."""
        self._asked.setdefault(request.approval_id, _Asked(request, time))
        if request.supersedes is not None:
            self._close(request.supersedes, ApprovalState.SUPERSEDED)

    def decide(self, event: ApprovalDecided) -> None:
        """Take note of a decision; what was refused or withdrawn once stays so."""
        self._close(event.approval, event.state)
        asked = self._asked.get(event.approval)
        if asked is not None and asked.state is ApprovalState.APPROVED:
            asked.by |= frozenset(map(_person, event.by)) - {_person(asked.agent), ""}

    def _close(self, approval: str, state: ApprovalState) -> None:
        asked = self._asked.get(approval)
        if asked is not None and asked.state in _OPEN:
            asked.state = state

    def let_through(self, approval: str, actions: Iterable[str]) -> None:
        """Take note of actions (`plan/step`) that the home let through in time, and that nobody took yet."""
        asked = self._asked.get(approval)
        if asked is not None:
            asked.let_through.update(actions)

    def consume(self, approval: str, run: str, use: Use) -> Iterator[Finding]:
        """Yield why an approval does not cover an action, and count the action against it."""
        asked = self._asked.get(approval)
        if asked is None:
            yield "live_without_approval", f"approval {approval} was never asked for in this journal"
            return
        for wrong in _mismatches(asked, run, use):
            yield "live_without_approval", f"approval {approval} {wrong}"
        action = (use.plan, use.step)
        if asked.taken and action not in asked.taken and not _is_item(asked, use):
            first = "/".join(next(iter(asked.taken)))
            yield "approval_reused", f"approval {approval} was already consumed by {first}"
        elif asked.taken.setdefault(action, use.digest) != use.digest:
            yield "approval_reused", f"approval {approval} was already consumed with other arguments"


def _mismatches(asked: _Asked, run: str, use: Use) -> Iterator[str]:
    taken = (use.plan, use.step) in asked.taken or f"{use.plan}/{use.step}" in asked.let_through
    # What was let through in time is not called back when the rest of a fan-out runs out of time.
    if asked.state is not ApprovalState.APPROVED and not (taken and asked.state is ApprovalState.EXPIRED):
        yield f"is {asked.state.value}"
    elif len(asked.by) < asked.quorum:
        said = ", ".join(sorted(asked.by)) or "nobody who may"
        yield f"needs {asked.quorum} approvers other than {asked.agent}, and was approved by {said}"
    if (asked.run, asked.plan, asked.tool) != (run, use.plan, use.tool) or not _is_for(asked, use):
        yield f"was asked for {asked.plan}/{asked.step} ({asked.tool}) of run {asked.run}"
    elif not _same_args(asked, use):
        yield "was asked for other arguments"
    if asked.contract != use.contract:
        yield "was given under another contract"
    if not taken and _is_past(asked.expires_at, use.time):
        yield f"had expired at {iso(asked.expires_at)}" if asked.expires_at else "expires at no time"


def _is_for(asked: _Asked, use: Use) -> bool:
    return asked.step == use.step if isinstance(asked.args, int) else _is_item(asked, use)


def _is_item(asked: _Asked, use: Use) -> bool:
    item = fan_out(use.step)
    return (
        isinstance(asked.args, tuple)
        and item is not None
        and (asked.plan, asked.step) == (use.plan, item[0])
        and item[1] < len(asked.args)
    )


def _same_args(asked: _Asked, use: Use) -> bool:
    item = fan_out(use.step)
    shown = asked.args if isinstance(asked.args, int) else asked.args[item[1]] if item else 0
    return not shown or not use.args or shown == use.args


def _expiry(request: ApprovalRequest, time: str) -> float:
    """Return when a request expires in the times of its journal, which may be ahead of the clock's."""
    try:
        until = seconds(request.expires_at)
        return max(until, seconds(time) + until - seconds(request.requested_at))
    except ValueError:
        return 0.0


def _is_past(expires_at: float, time: str) -> bool:
    try:
        return seconds(time) > expires_at + EXPIRY_SLACK_S
    except ValueError:
        return True
