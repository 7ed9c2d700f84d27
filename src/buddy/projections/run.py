"""A run as its journal tells it: the fold that the outputs, the metrics and the anomalies share."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from buddy.core.gate import threshold
from buddy.journal.events import (
    ApprovalDecided,
    ApprovalRequested,
    ConflictFound,
    ContractSeen,
    Expanded,
    Intent,
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
    UndoOutcome,
)
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult
from buddy.projections.approvals import EVIDENCE, Approvals
from buddy.projections.conflicts import Conflicts
from buddy.projections.health import tool_health, weights_of
from buddy.projections.metrics import Metrics, Tally, drift, latency, ratio, tally
from buddy.projections.steps import DRY_RUN, MOCK, Cell, Steps

_SUCCEEDED = OutcomeKind.SUCCEEDED

MOST_ERRORS = 100
"""Different error classes counted for one tool or agent."""


class Work(Struct, kw_only=True):
    """What one tool, or one agent, did: every attempt at a rung counts.

    Attributes:
        attempts: at any rung, LIVE included.
        failed: of those.
        ms: how long they took together.
        errors: failed attempts by class of error.
        failures: seqs of the first failed attempts.
        settled: seqs of the first events that settled a step.
    """

    attempts: int = 0
    failed: int = 0
    ms: float = 0.0
    errors: dict[str, int] = {}
    failures: list[int] = []
    settled: list[int] = []

    def fail(self, error: str, seq: int) -> None:
        """Count a failed attempt."""
        self.failed += 1
        if error in self.errors or len(self.errors) < MOST_ERRORS:
            self.errors[error] = self.errors.get(error, 0) + 1
        if len(self.failures) < EVIDENCE:
            self.failures.append(seq)

    @property
    def evidence(self) -> list[int]:
        """Journal lines that say most about it, failures first, at most `EVIDENCE`."""
        return sorted(list(dict.fromkeys([*self.failures, *self.settled]))[:EVIDENCE])


class Counted(NamedTuple):
    """The settled steps as of a record: by state, and all."""

    seq: int
    cells: list[Cell]
    total: Tally


class Run:
    """Everything about a run that more than one output asks for.

    Attributes:
        header: how the run began, None before it did.
        seq, time: of the last record.
        started_at: time of the first record.
        contracts: by tool, as they are now.
        steps, conflicts, approvals: sub-folds.
        agents, tools: work by name.
        undos: undos by result.
        verified_undos: those whose state was read back.
        undone: seqs of the first undos.
        finishes: how often the run came to rest.
        finish: the last time, None while it goes on.
        finished_at: when that was.
        duration_s: seconds between starts and rests, summed.
        resumes: how often it was taken up again.
        changed: contracts that had changed by then.
        misfits: live results that do not fit the contract, by tool.
    """

    def __init__(self) -> None:
        self.header: RunStarted | None = None
        self.seq = 0
        self.time = ""
        self.started_at = ""
        self.contracts: dict[str, ToolContract] = {}
        self.steps = Steps()
        self.conflicts = Conflicts()
        self.approvals = Approvals()
        self.agents: dict[str, Work] = {}
        self.tools: dict[str, Work] = {}
        self.undos = dict.fromkeys(UndoResult, 0)
        self.verified_undos = 0
        self.undone: list[int] = []
        self.finishes = 0
        self.finish: RunFinished | None = None
        self.finished_at: str | None = None
        self.duration_s = 0.0
        self.resumes = 0
        self.changed: dict[str, None] = {}
        self.misfits: dict[str, int] = {}
        self._counted: Counted | None = None
        self._metrics: tuple[int, Metrics] | None = None

    @property
    def run_id(self) -> str:
        """Its name, empty before it began."""
        return self.header.run_id if self.header else ""

    @property
    def config(self) -> dict[str, Any]:
        """Every setting in force, as the journal has it."""
        return self.header.config if self.header else {}

    @property
    def top(self) -> int:
        """The highest rung that anything may reach, as a number."""
        return self.steps.top

    def feed(self, record: Record) -> None:
        """Take in the next record."""
        self.seq = record.seq
        self.time = record.time
        self.steps.change = None
        event = record.event
        take = _TAKES.get(type(event))
        if take is not None:
            take(self, record.seq, event)

    def counted(self) -> Counted:
        """Return the settled steps, counted once a record however many ask."""
        if self._counted is None or self._counted.seq != self.seq:
            cells = self.steps.cells()
            self._counted = Counted(self.seq, cells, tally(cells))
        return self._counted

    def conflict_rate(self) -> float | None:
        """Return steps in a conflict / steps.

        A conflict names 50 of its steps at most; the rest are taken to be in no other.
        """
        total = self.counted().total
        return ratio(min(total.conflicts + self.conflicts.unlisted, total.steps), total.steps)

    def metrics(self) -> Metrics:
        """Return what was measured so far."""
        if self._metrics is None or self._metrics[0] != self.seq:
            self._metrics = (self.seq, self._measured())
        return self._metrics[1]

    def _measured(self) -> Metrics:
        total = self.counted().total
        measured = Metrics(
            success_rate=total.success_rate,
            latency_ms=latency(self.steps.timed()),
            rollback_frequency=total.rollback_frequency,
            conflict_rate=self.conflict_rate(),
            live_ratio=ratio(total.live, total.steps),
            confidence=total.mean_confidence,
            confidence_drift=drift(total.mean_confidence, total.success_rate),
            approval_rate=self.approvals.rate,
            health_score=None,
        )
        return replace(measured, health_score=tool_health(measured, weights_of(self.config)))

    # one method an event

    def _started(self, seq: int, event: RunStarted) -> None:
        self.header = event
        self.started_at = self.time
        self.steps.top = top_of(event)
        self._contracts(event.contracts)

    def _contracts(self, contracts: list[ToolContract]) -> None:
        for contract in contracts:
            self.contracts[contract.name] = contract

    def _resumed(self, seq: int, event: RunResumed) -> None:
        self.resumes += 1
        self.finish = self.finished_at = None
        self._contracts(event.contracts)
        self.changed.update(dict.fromkeys(event.changed))

    def _contract(self, seq: int, event: ContractSeen) -> None:
        self.contracts[event.contract.name] = event.contract

    def _plan(self, seq: int, event: PlanStarted) -> None:
        self.steps.start(event.plan, event.validation)

    def _conflict(self, seq: int, event: ConflictFound) -> None:
        self.conflicts.add(event.conflict, self.steps.collide(event.conflict), seq)

    def _expanded(self, seq: int, event: Expanded) -> None:
        self.steps.expanded(event.plan, event.step)

    def _reassigned(self, seq: int, event: Reassigned) -> None:
        self.steps.reassigned(event.plan, event.step, event.to_agent)

    def _rung(self, seq: int, event: Rung) -> None:
        self.steps.rung(event)
        error = "" if event.error is None else event.error.type
        self._worked(seq, event.agent, event.tool, event.duration_ms, error, event.status)

    def _intent(self, seq: int, event: Intent) -> None:
        self.steps.intent(event)

    def _outcome(self, seq: int, event: Outcome) -> None:
        self.steps.outcome(event)
        if event.late:
            return
        error = "" if event.outcome is _SUCCEEDED else event.error.type if event.error else event.outcome.name
        self._worked(seq, event.agent, event.tool, event.duration_ms, error, event.status)
        if event.warning:
            self.misfits[event.tool] = self.misfits.get(event.tool, 0) + 1

    def _worked(
        self, seq: int, agent: str, tool: str, ms: float, error: str, status: StepStatus | None
    ) -> None:
        by = self.agents.get(agent)
        if by is None:
            by = self.agents[agent] = Work()
        of = self.tools.get(tool)
        if of is None:
            of = self.tools[tool] = Work()
        by.attempts += 1
        of.attempts += 1
        by.ms += ms
        of.ms += ms
        if error:
            by.fail(error, seq)
            of.fail(error, seq)
        if status is not None:
            if len(by.settled) < EVIDENCE:
                by.settled.append(seq)
            if len(of.settled) < EVIDENCE:
                of.settled.append(seq)

    def _settled(self, seq: int, event: Settled) -> None:
        self.steps.settled(event)

    def _resolved(self, seq: int, event: Resolved) -> None:
        self.steps.resolved(event)

    def _requested(self, seq: int, event: ApprovalRequested) -> None:
        self.approvals.request(event.request)

    def _decided(self, seq: int, event: ApprovalDecided) -> None:
        confidence = self.steps.confidence(event.plan, event.step)
        floor = self.config.get("confidence_threshold_for_live", 0.0)
        floor = float(floor) if isinstance(floor, int | float) else 0.0
        asked = threshold(self.contracts.get(event.tool), Mode.LIVE, floor)
        self.approvals.decide(event, seq, confidence, asked)

    def _undone(self, seq: int, event: UndoOutcome) -> None:
        self.steps.undone(event)
        self.undos[event.result] += 1
        self.verified_undos += event.verified
        if len(self.undone) < EVIDENCE:
            self.undone.append(seq)

    def _finished(self, seq: int, event: RunFinished) -> None:
        self.finishes += 1
        self.finish = event
        self.finished_at = self.time
        self.duration_s += event.duration_s


def top_of(header: RunStarted) -> int:
    """Return the highest rung that a run may reach, as a number."""
    if header.environment_dry_run:
        return MOCK
    top = header.mode.rank + 1
    return min(top, DRY_RUN) if header.config.get("dry_run_only") is True else top


_TAKES: dict[type, Callable[[Run, int, Any], None]] = {
    RunStarted: Run._started,
    RunResumed: Run._resumed,
    ContractSeen: Run._contract,
    PlanStarted: Run._plan,
    ConflictFound: Run._conflict,
    Expanded: Run._expanded,
    Reassigned: Run._reassigned,
    Rung: Run._rung,
    Intent: Run._intent,
    Outcome: Run._outcome,
    Settled: Run._settled,
    Resolved: Run._resolved,
    ApprovalRequested: Run._requested,
    ApprovalDecided: Run._decided,
    UndoOutcome: Run._undone,
    RunFinished: Run._finished,
}
