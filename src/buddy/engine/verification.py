"""Is a run what its journal says: the chain, the head that the home keeps, the outputs, and the safety rules.

Nothing here writes, and nothing here asks the gate. A journal is read once, line by line; what a witness
outside of it (the home, the files beside it) knows is held against each record as it passes.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import inf
from typing import Protocol

import msgspec
from msgspec import Struct

from buddy.core.audit import Audit, Violation
from buddy.core.signing import CHECKS as SIGNATURES
from buddy.engine.beside import Beside
from buddy.errors import JournalDamaged
from buddy.journal.codec import Head, Reader, is_torn
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
from buddy.projections.outputs import grows, project

CHECKS: dict[str, str] = {
    "chain_broken": "each line follows from the one before it",
    "line_torn": "the last line is whole",
    "journal_empty": "there is a journal",
    "head_differs": "the journal ends where the home says that it ends",
    "output_missing": "every output is there",
    "output_differs": "every output is what the journal projects to",
    "output_unexpected": "there is no file of a fleet that the journal does not project to",
    "plans_differ": "the plans beside the journal are those that the run began with",
    "blob_missing": "every large result is there",
    "blob_differs": "every large result is what was written",
    "lock_differs": "the lock was as the home remembers it",
    "live_in_locked_time": "live calls and undos were made while the home's lock was open, in its epoch",
    "approval_unknown": "the home was asked for every approval",
    "approval_differs": "approvals were asked for, decided and consumed as the home remembers it",
    "approval_not_journaled": "the journal tells of every approval that the home was asked for in this run",
} | SIGNATURES
"""What is checked beside the rules of `buddy.core.audit`, and what holds where it holds."""

LOCK_SLACK_S = 1.0
"""A call is let through a moment before its intent is written, and the lock may fall in between."""

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n\Z')
_encoder = msgspec.json.Encoder(order="deterministic")


class Report(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        run_id: of the run, empty where its first line does not hold.
        events: lines that hold, from the first.
        violations: what is wrong, in the order of the journal, then what no line of it shows.
        outputs_checked: files whose content was compared, in full or (after a broken line) as far as it goes.
        head_checked: the home knows the run, so that a journal recomputed from end to end would be found.
        signatures_checked: signatures that hold, 0 where no public key was given.
    """

    run_id: str
    events: int
    violations: tuple[Violation, ...]
    outputs_checked: tuple[str, ...]
    head_checked: bool
    signatures_checked: int = 0


def verify(
    lines: Iterable[bytes],
    outputs: Callable[[str], bytes | None],
    head: Head | None,
    lock_history: Sequence[LockState],
    approvals: Sequence[Approval],
    blobs: Callable[[str], bytes],
    present: Iterable[str] = (),
) -> Report:
    """Check a run against everything that knows of it, and report all that is wrong.

    Args:
        lines: of the journal, each with its line feed.
        outputs: file name -> content, None where there is no such file; asked for each that there should be,
            and for the run's plans.
        head: where the home says that the journal ends, None where it does not know the run.
        lock_history: every epoch of the home's lock, oldest first; empty where it was never touched.
        approvals: that the home was asked for in this run.
        blobs: digest -> large result; raises `BuddyError` or `LookupError` where it cannot be had.
        present: names of the files that a reader of a fleet's outputs would come upon.
    """
    known = head is not None
    beside = Beside(outputs, blobs)
    witnesses = (_Locks(lock_history, known=known), _Approvals(approvals, known=known), beside)
    reading = _Reading(lines, head, witnesses)
    expected = project(reading.records())
    reading.end()
    compared = [name for name in expected if grows(name) or not reading.broken]
    found = {name: outputs(name) for name in expected}
    checked = tuple(name for name in compared if found[name] is not None)
    violations = [*reading.violations, *_output_violations(expected, found, broken=reading.broken)]
    violations += [
        Violation(rule="output_unexpected", seq=0, message=f"{name} is nothing that the journal projects to")
        for name in present
        if name not in expected and not reading.broken
    ]
    return Report(
        run_id=reading.run_id,
        events=reading.at.seq,
        violations=tuple(violations),
        outputs_checked=checked,
        head_checked=head is not None,
    )


class _Reading:
    """One pass over the lines of a journal; stops believing at the first that does not hold."""

    def __init__(self, lines: Iterable[bytes], kept: Head | None, witnesses: "Sequence[_Witness]") -> None:
        self._lines = lines
        self._kept = kept
        self._kept_passed = kept is None or kept == Head()
        self._witnesses = witnesses
        self._audit = Audit()
        self.run_id = ""
        self.at = Head()
        self.broken = False
        self.violations: list[Violation] = []

    def records(self) -> Iterator[Record]:
        """Yield what holds, and check it on the way."""
        lines = iter(self._lines)
        reader = Reader()
        for line in lines:
            try:
                record = reader.read(line)
            except JournalDamaged as damage:
                self._stop(damage, line, lines)
                return
            self.at = reader.head
            self._kept_passed = self._kept_passed or self.at == self._kept
            if not self.run_id and isinstance(record.event, RunStarted):
                self.run_id = record.event.run_id
            self.violations += self._audit.feed(record)
            for witness in self._witnesses:
                self.violations += witness.feed(record)
            yield record

    def end(self) -> None:
        """Check what only the end shows."""
        if not self.at.seq and not self.broken:
            self.violations.append(Violation(rule="journal_empty", seq=0, message="the journal has no line"))
        if not self.broken:
            # After a broken line, what is missing may stand where nobody believes it.
            self.violations += self._audit.finish()
            for witness in self._witnesses:
                self.violations += witness.finish()
            self.violations += self._head_violations(self.at)

    def _stop(self, damage: JournalDamaged, line: bytes, rest: Iterator[bytes]) -> None:
        after = deque(enumerate(rest, damage.line + 1), maxlen=1)
        count, last = after[0] if after else (damage.line, line)
        if is_torn(line) and not after:
            message = f"line {count} was cut while being written, as a crash does; `buddy resume` cuts it off"
            self.violations.append(Violation(rule="line_torn", seq=count, message=message))
            return
        self.broken = True
        self.violations.append(Violation(rule="chain_broken", seq=damage.line, message=f"{damage}"))
        tail = _TAIL.search(last)
        self.violations += self._head_violations(Head(count, tail[1].decode() if tail else ""))

    def _head_violations(self, end: Head) -> Iterator[Violation]:
        kept = self._kept
        if kept is None or kept == end:
            return
        if end.seq < kept.seq:
            wrong = f"it has {end.seq} lines, and the home knows of {kept.seq}: some were cut out or cut off"
        elif end.seq > kept.seq and self._kept_passed:
            wrong = f"it goes on to line {end.seq} after line {kept.seq}, the last that the home knows of"
        else:
            wrong = f"line {kept.seq} is not the one that the home knows of: the journal was written anew"
        yield Violation(rule="head_differs", seq=min(end.seq, kept.seq), message=wrong)


class _Witness(Protocol):
    """Something outside of the journal that knows a part of what it tells."""

    def feed(self, record: Record) -> Iterable[Violation]:
        """Return where it contradicts a record."""
        ...

    def finish(self) -> Iterable[Violation]:
        """Return what it knows of and the journal does not tell."""
        ...


def _at(record: Record, rule: str, message: str) -> Violation:
    plan, step = getattr(record.event, "plan", ""), getattr(record.event, "step", "")
    return Violation(rule=rule, seq=record.seq, plan=plan, step=step, message=message)


class _Locks:
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
        return ()


_STILL: dict[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.PENDING: frozenset(ApprovalState),
    ApprovalState.APPROVED: frozenset(ApprovalState) - {ApprovalState.PENDING, ApprovalState.DENIED},
    ApprovalState.EXPIRED: frozenset({ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.EXPIRED}),
}
"""State in the journal -> states that the home may have come to since; any other state stays.

Whether a request has expired is a matter of the clock, which may have been ahead then.
"""


class _Approvals:
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
            yield from self._against(record, event.approval, partial(_not_consumed, action))

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
        for name, kept in self._kept.items():
            request = kept.request
            if request.run_id != self._run:
                continue
            plan, step = request.plan_id, request.step_id
            if name not in self._asked:
                message = f"the home was asked for approval {name}, and the journal does not tell"
                yield Violation(rule="approval_not_journaled", seq=0, plan=plan, step=step, message=message)
            for action in kept.consumed_by:
                if (name, action) not in self._consumed | self._not_called:
                    message = f"approval {name}: consumed by {action}, of which the journal tells no call"
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
    # One no among the yeses denies, and all who voted are named.
    said = {vote.by for vote in kept.votes if vote.approve or event.state is not ApprovalState.APPROVED}
    invented = sorted(set(event.by) - said)
    return f"{', '.join(invented)} never said so to the home" if invented else ""


def _not_consumed(action: str, kept: Approval) -> str:
    return "" if action in kept.consumed_by else f"the home never let {action} consume it"


def _output_violations(
    expected: Mapping[str, bytes], outputs: Mapping[str, bytes | None], *, broken: bool
) -> Iterator[Violation]:
    for name, content in expected.items():
        found = outputs[name]
        if found is None:
            yield Violation(rule="output_missing", seq=0, message=f"{name} is not there")
        elif broken and not grows(name):
            # What is written whole at the end says nothing about the beginning.
            continue
        elif found != content and not (broken and found.startswith(content)):
            line = _first_difference(content, found)
            message = f"{name} is not what the journal projects to, from its line {line} on"
            yield Violation(rule="output_differs", seq=0, message=message)


def _first_difference(expected: bytes, found: bytes) -> int:
    """Return the 1-based line on which two contents part."""
    low, high = 0, min(len(expected), len(found))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if expected[:middle] == found[:middle] else (low, middle - 1)
    return expected.count(b"\n", 0, low) + 1
