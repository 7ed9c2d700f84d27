"""The auditor: proves from a run's journal alone that nothing happened which should not have.

It shares no code with what decides (the gate), so that a mistake there is not repeated here. It holds no
events: a step that stays at MOCK costs one fingerprint, a step above it one `Trace`.

    audit_rules      what holds, rule by rule            audit_calls   live calls, outcomes, undos
    audit_terms      what a contract asks of a call      audit_claims  resources held, actions taken before
    audit_ladder     what a step needs for a rung        audit_levels  how real each step is
    audit_approvals  what was asked, said and consumed   audit_lock    which epoch of the lock is open
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from buddy.core.audit_calls import Calls, Trace
from buddy.core.audit_claims import Acts, Claims, claims_of
from buddy.core.audit_ladder import Ladder
from buddy.core.audit_rules import RULES, Finding, Violation
from buddy.core.audit_terms import NO_TERMS, Settings, Terms, settings_of, terms_of
from buddy.journal.events import (
    ApprovalDecided,
    ApprovalRequested,
    BreakerMoved,
    ConflictFound,
    ContractSeen,
    Expanded,
    Intent,
    LockSeen,
    Moved,
    Outcome,
    PlanStarted,
    Reassigned,
    Record,
    Resolved,
    RunFinished,
    Rung,
    RunResumed,
    RunStarted,
    Settled,
    TaskAssigned,
    UndoIntent,
    UndoOutcome,
    WaveFinished,
    WaveStarted,
)
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus

__all__ = ["RULES", "Audit", "Violation"]

_AFTER_THE_END = (
    RunResumed,
    Resolved,
    UndoIntent,
    UndoOutcome,
    ApprovalRequested,
    ApprovalDecided,
    LockSeen,
    Settled,
    RunFinished,
)


class Audit:
    """A fold of one run's records that says which safety rule each of them breaks (see `RULES`)."""

    def __init__(self) -> None:
        self._seq = 0
        self._run: str | None = None
        self._headless = False
        self._ended = False
        self._settings = Settings()
        self._terms: dict[str, Terms] = {}
        self._traces: dict[tuple[str, str], Trace] = {}
        self._ladder = Ladder(self._traces)
        self._calls = Calls()
        self._claims = Claims()
        self._acts = Acts()
        self._folds: dict[type, Callable[[Record, Any], Iterable[Finding]]] = {
            RunStarted: self._started,
            RunResumed: self._resumed,
            ContractSeen: self._contract_seen,
            PlanStarted: _nothing,
            WaveStarted: _nothing,
            TaskAssigned: _nothing,
            WaveFinished: _nothing,
            ConflictFound: _nothing,
            Reassigned: _nothing,
            Expanded: self._expanded,
            Rung: self._rung,
            Moved: self._moved,
            Intent: self._intent,
            Outcome: self._outcome,
            Settled: self._settled,
            ApprovalRequested: self._asked,
            ApprovalDecided: self._decided,
            LockSeen: self._lock_seen,
            BreakerMoved: _nothing,
            UndoIntent: self._undo_intent,
            UndoOutcome: self._undo_outcome,
            Resolved: self._resolved,
            RunFinished: self._finished,
        }

    def feed(self, record: Record) -> list[Violation]:
        """Take the next record, and return the rules that are broken by it.

        Args:
            record: of the run, in the order of its journal.
        """
        event = record.event
        found = list(self._folds[type(event)](record, event))
        if record.seq != self._seq + 1 or self._run is None or self._ended:
            found += self._misplaced(record)
        self._seq = record.seq
        if not found:
            return []
        plan, step = getattr(event, "plan", ""), getattr(event, "step", "")
        return [
            Violation(rule=rule, seq=record.seq, plan=plan, step=step, message=message)
            for rule, message in found
        ]

    def finish(self) -> list[Violation]:
        """Return the rules that are broken by what the journal does not say."""
        return [
            Violation(
                rule="intent_without_outcome",
                seq=trace.intent_seq,
                plan=trace.plan,
                step=trace.step,
                message=f"attempt {trace.attempt} has no outcome: it is UNKNOWN, and nothing says so",
            )
            for trace in self._calls.unsettled()
        ]

    # the run

    def _misplaced(self, record: Record) -> Iterator[Finding]:
        if record.seq != self._seq + 1:
            yield "lifecycle", f"line {record.seq} follows line {self._seq}"
        if self._run is None and not self._headless:
            self._headless = True
            yield "lifecycle", "the journal does not begin with run_started"
        if self._ended and not isinstance(record.event, _AFTER_THE_END):
            yield "lifecycle", "it happened after the run had finished"

    def _started(self, record: Record, event: RunStarted) -> Iterator[Finding]:
        if self._run is not None:
            yield "lifecycle", "the run started a second time"
            return
        self._run = event.run_id
        if self._headless:
            yield "lifecycle", "the run started after something else had happened"
        try:
            self._settings = settings_of(event.config, event.mode, event.environment_dry_run)
        except msgspec.ValidationError as problem:
            yield "lifecycle", f"the run's configuration cannot be read: {problem}"
        self._ladder.begin(event.run_id, self._settings)
        self._take_contracts(event.contracts, event.handlers)

    def _resumed(self, record: Record, event: RunResumed) -> Iterable[Finding]:
        self._ended = False
        self._terms.clear()
        self._take_contracts(event.contracts, event.handlers)
        for approval, actions in event.not_called.items():
            self._ladder.approvals.let_through(approval, actions)
        self._calls.cut_off()
        self._claims.release_all()
        return ()

    def _finished(self, record: Record, event: RunFinished) -> Iterator[Finding]:
        if self._ended:
            yield "lifecycle", "the run finished a second time without being resumed"
        self._ended = True

    def _take_contracts(self, contracts: list[ToolContract], handlers: dict[str, list[str]]) -> None:
        for contract in contracts:
            self._terms[contract.name] = terms_of(contract, handlers.get(contract.name, ()), self._settings)

    def _contract_seen(self, record: Record, event: ContractSeen) -> Iterable[Finding]:
        self._terms[event.contract.name] = terms_of(event.contract, event.handlers, self._settings)
        return ()

    def _lock_seen(self, record: Record, event: LockSeen) -> Iterable[Finding]:
        return self._ladder.lock.see(event, record.time)

    def _asked(self, record: Record, event: ApprovalRequested) -> Iterable[Finding]:
        self._ladder.approvals.ask(event.request, record.time)
        return ()

    def _decided(self, record: Record, event: ApprovalDecided) -> Iterable[Finding]:
        self._ladder.approvals.decide(event)
        return ()

    # the ladder

    def _rung(self, record: Record, event: Rung) -> Iterator[Finding]:
        terms = self._terms.get(event.tool, NO_TERMS)
        if event.mode is Mode.MOCK:
            self._ladder.rehearse(event, terms)
        else:
            yield from self._ladder.rung(event, terms, self._trace(event.plan, event.step))
        yield from self._told(event)

    def _moved(self, record: Record, event: Moved) -> Iterable[Finding]:
        trace = self._traces.get((event.plan, event.step))
        # From MOCK no transition leads to LIVE: a DRY_RUN passed before the move down counts no more.
        if trace is not None and event.to_mode is Mode.MOCK:
            trace.dry_runs = ()
        return ()

    def _expanded(self, record: Record, event: Expanded) -> Iterable[Finding]:
        self._ladder.levels.expanded(event)
        return ()

    # live calls

    def _intent(self, record: Record, event: Intent) -> Iterator[Finding]:
        terms = self._terms.get(event.tool, NO_TERMS)
        trace = self._trace(event.plan, event.step)
        yield from self._ladder.intent(event, terms, trace, record.time)
        yield from self._calls.intent(trace, event, terms, record.seq)
        yield from self._claims.take(trace, claims_of(event, self._settings))
        yield from self._acts.take(trace, event, terms, self._settings, record.seq, record.time)

    def _outcome(self, record: Record, event: Outcome) -> Iterator[Finding]:
        trace = self._trace(event.plan, event.step)
        yield from self._calls.outcome(trace, event, record.seq)
        if event.attempt == trace.attempt:
            self._claims.release(trace)
        yield from self._told(event)
        self._seen_done(trace, record.seq)

    def _resolved(self, record: Record, event: Resolved) -> Iterator[Finding]:
        trace = self._trace(event.plan, event.step)
        yield from self._calls.resolve(trace, event, record.seq)
        self._claims.release(trace)
        self._seen_done(trace, record.seq)

    def _seen_done(self, trace: Trace, seq: int) -> None:
        if trace.done_seq == seq:
            self._ladder.levels.passed(trace, Mode.LIVE)

    def _settled(self, record: Record, event: Settled) -> Iterable[Finding]:
        trace = self._traces.get((event.plan, event.step))
        if trace is not None and event.status is StepStatus.UNKNOWN:
            self._calls.give_up(trace)
            self._claims.release(trace)
        return self._told(event)

    def _told(self, event: Rung | Outcome | Settled) -> Iterable[Finding]:
        trace = self._traces.get((event.plan, event.step))
        return () if trace is None else self._calls.told(trace, event.status)

    def _undo_intent(self, record: Record, event: UndoIntent) -> Iterator[Finding]:
        if not event.under_lock:
            yield from self._ladder.lock.act(event.lock_epoch)
        yield from self._calls.undo_intent(self._trace(event.plan, event.step), event, record.seq)

    def _undo_outcome(self, record: Record, event: UndoOutcome) -> Iterable[Finding]:
        trace = self._trace(event.plan, event.step)
        # What was called is what is undone, whatever tool the undo says that it was.
        terms = self._terms.get(trace.tool or event.tool, NO_TERMS)
        return self._calls.undo_outcome(trace, event, terms)

    def _trace(self, plan: str, step: str) -> Trace:
        trace = self._traces.get((plan, step))
        if trace is None:
            trace = self._traces[plan, step] = Trace(plan, step)
        return trace


def _nothing(record: Record, event: Any) -> Iterable[Finding]:
    return ()
