"""What the home knows of a run, held against each record of its journal as it passes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import inf

import msgspec

from buddy.core.audit import Violation
from buddy.journal.events import (
    ApprovalDecided,
    ApprovalRequested,
    ContractSeen,
    Intent,
    LockSeen,
    Record,
    Rung,
    RunResumed,
    RunStarted,
    UndoIntent,
)
from buddy.journal.times import iso, seconds
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState
from buddy.model.contract import ToolContract
from buddy.ports import LockState

LOCK_SLACK_S = 1.0
"""A call is let through a moment before its intent is written, and the lock may fall in between."""

_CUT_OFF = "; where a crash cut it off, `buddy resume` tells it"
_encoder = msgspec.json.Encoder(order="deterministic")


def _at(record: Record, rule: str, message: str) -> Violation:
    plan, step = getattr(record.event, "plan", ""), getattr(record.event, "step", "")
    return Violation(rule=rule, seq=record.seq, plan=plan, step=step, message=message)


class Locks:
    """The home's lock: when which epoch was, and whether it was open.

    Args:
        history: every epoch, oldest first.
        known: an empty history means that the lock was never touched, and not that nobody knows.
    """

    def __init__(self, history: Sequence[LockState], *, known: bool) -> None:
        self._speaks = known or bool(history)
        self._states = {0: LockState(at=-inf)} | {state.epoch: state for state in history}
        in_order = sorted(self._states)
        self._until = {epoch: self._states[after].at for epoch, after in pairwise(in_order)}

    def feed(self, record: Record) -> Iterator[Violation]:
        """Return where the home contradicts a record."""
        event = record.event
        if not self._speaks:
            return
        if isinstance(event, LockSeen):
            state = self._states.get(event.epoch)
            if state is None or state.engaged is not event.engaged:
                seen = f"epoch {event.epoch} {'engaged' if event.engaged else 'open'}"
                yield _at(record, "lock_differs", f"the run saw {seen}, and the home does not know it so")
        elif isinstance(event, Intent) or (isinstance(event, UndoIntent) and not event.under_lock):
            wrong = self._wrong(event.lock_epoch, record.time)
            if wrong:
                yield _at(record, "live_in_locked_time", wrong)

    def _wrong(self, epoch: int, time: str) -> str:
        state = self._states.get(epoch)
        if state is None:
            return f"the home's lock never had an epoch {epoch}"
        if state.engaged:
            return f"in epoch {epoch} the lock was engaged, by {state.by or 'somebody'}"
        try:
            when = seconds(time)
        except ValueError:
            return f"{time!r} is no time, so nobody can say whether the lock was open"
        if when < state.at - LOCK_SLACK_S:
            return f"made at {time}, before epoch {epoch} began at {iso(state.at)}"
        until = self._until.get(epoch, inf)
        if when > until + LOCK_SLACK_S:
            return f"made at {time}, and the lock was engaged at {iso(until)}"
        return ""

    def finish(self) -> Iterable[Violation]:
        """Return nothing: an epoch that a run did not see is none of its business."""
        return ()


_STILL: dict[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.PENDING: frozenset(ApprovalState),
    ApprovalState.APPROVED: frozenset(ApprovalState) - {ApprovalState.PENDING, ApprovalState.DENIED},
    ApprovalState.EXPIRED: frozenset({ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.EXPIRED}),
}
"""State in the journal -> states that the home may have come to since; any other state stays.

Whether a request has expired is a matter of the clock, which may have been ahead then.
"""


class Approvals:
    """The home's approvals: what was asked, who said what, and which steps consumed it.

    Args:
        kept: as the home has them.
        known: an empty list means that nobody was asked, and not that nobody knows.
    """

    def __init__(self, kept: Sequence[Approval], *, known: bool) -> None:
        self._speaks = known or bool(kept)
        self._kept = {approval.request.approval_id: approval for approval in kept}
        self._run = ""
        self._asked: set[str] = set()
        self._consumed: set[tuple[str, str]] = set()
        self._not_called: set[tuple[str, str]] = set()
        self._reads: set[str] = set()

    def feed(self, record: Record) -> Iterator[Violation]:
        """Return where the home contradicts a record."""
        if not self._speaks:
            return
        event = record.event
        if isinstance(event, RunStarted):
            self._run = self._run or event.run_id
            self._meet(event.contracts)
        elif isinstance(event, ContractSeen):
            self._meet([event.contract])
        elif isinstance(event, RunResumed):
            self._meet(event.contracts)
            for name, actions in event.not_called.items():
                for action in actions:
                    self._not_called.add((name, action))
                    yield from self._against(record, name, partial(_not_consumed, action))
        elif isinstance(event, ApprovalRequested):
            self._asked.add(event.request.approval_id)
            yield from self._against(
                record, event.request.approval_id, partial(_other_request, event.request)
            )
        elif isinstance(event, ApprovalDecided):
            yield from self._against(record, event.approval, partial(_other_decision, event))
        elif isinstance(event, Intent | Rung) and event.approval is not None and self._is_let_through(event):
            action = f"{event.plan}/{event.step}"
            self._consumed.add((event.approval, action))
            yield from self._against(record, event.approval, partial(_no_yes, action))

    def _meet(self, contracts: Iterable[ToolContract]) -> None:
        for contract in contracts:
            (self._reads.discard if contract.writes else self._reads.add)(contract.name)

    def _is_let_through(self, event: Intent | Rung) -> bool:
        """Whether the home was asked: for the LIVE call of a write, or for the DRY_RUN of a read."""
        return isinstance(event, Intent) or event.tool in self._reads

    def _against(
        self, record: Record, approval: str, differs: Callable[[Approval], str]
    ) -> Iterator[Violation]:
        kept = self._kept.get(approval)
        if kept is None:
            yield _at(record, "approval_unknown", f"the home was never asked for approval {approval}")
        elif wrong := differs(kept):
            yield _at(record, "approval_differs", f"approval {approval}: {wrong}")

    def finish(self) -> Iterator[Violation]:
        """Return what the home was asked for or let through, and the journal does not tell."""
        for name, kept in self._kept.items():
            request = kept.request
            if request.run_id != self._run:
                continue
            plan, step = request.plan_id, request.step_id
            if name not in self._asked:
                message = f"the home was asked for approval {name}, and the journal does not tell{_CUT_OFF}"
                yield Violation(rule="approval_not_journaled", seq=0, plan=plan, step=step, message=message)
            for action in kept.consumed_by:
                use = (name, action)
                if use not in self._consumed and use not in self._not_called:
                    message = (
                        f"approval {name}: consumed by {action}, and the journal tells no call{_CUT_OFF}"
                    )
                    yield Violation(rule="approval_differs", seq=0, plan=plan, step=step, message=message)


def _other_request(request: ApprovalRequest, kept: Approval) -> str:
    if kept.request == request or _encoder.encode(kept.request) == _encoder.encode(request):
        return ""
    fields = [
        field
        for field in request.__struct_fields__
        if _encoder.encode(getattr(kept.request, field)) != _encoder.encode(getattr(request, field))
    ]
    return f"the home was asked something else ({', '.join(fields)})"


def _other_decision(event: ApprovalDecided, kept: Approval) -> str:
    if kept.state not in _STILL.get(event.state, {event.state}):
        return f"it is {kept.state.value} in the home, and {event.state.value} here"
    # One no among the yeses denies; a journal names those who said no, or all who voted.
    said = {vote.by for vote in kept.votes if vote.approve or event.state is not ApprovalState.APPROVED}
    invented = sorted(set(event.by) - said)
    return f"{', '.join(invented)} never said so to the home" if invented else ""


def _not_consumed(action: str, kept: Approval) -> str:
    return "" if action in kept.consumed_by else f"the home never let {action} consume it"


def _no_yes(action: str, kept: Approval) -> str:
    """Say why an action had no yes: it consumed none, or one of the votes was for other arguments."""
    if wrong := _not_consumed(action, kept):
        return wrong
    asked = _encoder.encode(kept.request.args)
    for vote in kept.votes:
        if vote.edited_args is not None and _encoder.encode(vote.edited_args) != asked:
            return f"{vote.by} agreed to other arguments"
    return ""
