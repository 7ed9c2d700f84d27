"""`orchestration_summary.json`: what a run was asked, what it did, and how it ended."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from buddy.model.approval import ApprovalState
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.mode import Mode, Risk
from buddy.model.outcome import StepStatus, UndoResult
from buddy.projections.correlation import Correlation, correlate
from buddy.projections.health import Tier, tier
from buddy.projections.metrics import Metrics, Tally, places, ranked, tallies
from buddy.projections.run import Run, Work
from buddy.projections.signals import by_final_mode


class StepCounts(Struct, frozen=True, kw_only=True):
    """The steps of a run.

    Attributes:
        declared: by the plans, before any `for_each` became many.
        settled: came to rest.
        by_status: of those, all statuses.
        by_final_mode: of those, by highest rung passed, `NONE` where none was.
        held_by_rule: HELD steps by the rule that holds them.
    """

    declared: int
    settled: int
    by_status: dict[StepStatus, int]
    by_final_mode: dict[str, int]
    held_by_rule: dict[str, int]


class ConflictCounts(Struct, frozen=True, kw_only=True):
    """The conflicts of a run, zero where there are none."""

    total: int
    unresolved: int
    by_type: dict[ConflictType, int]
    by_resolution: dict[Strategy, int]


class ApprovalCounts(Struct, frozen=True, kw_only=True):
    """The approval requests of a run by where they stand; the states sum to `requested`."""

    requested: int
    approved: int
    denied: int
    expired: int
    superseded: int
    cancelled: int
    pending: int


class RollbackCounts(Struct, frozen=True, kw_only=True):
    """The undos of a run; `verified` are those whose state was read back."""

    total: int
    verified: int
    by_result: dict[UndoResult, int]


class AgentRow(Struct, frozen=True, kw_only=True):
    """What one agent did.

    Attributes:
        steps: its steps that settled.
        by_status: of those, where there are any.
        live: of those, reached LIVE.
        success_rate: of the finished.
        first_attempt_success_rate: of the finished that were tried.
        mean_confidence: of the finished.
        attempts, failed_attempts: at any rung, retries included.
        avg_latency_ms: None where nothing was called.
        load_s: seconds of work, every attempt at every rung.
    """

    steps: int
    by_status: dict[StepStatus, int]
    live: int
    success_rate: float | None
    first_attempt_success_rate: float | None
    mean_confidence: float | None
    attempts: int
    failed_attempts: int
    avg_latency_ms: float | None
    load_s: float


class ToolRow(Struct, frozen=True, kw_only=True):
    """What was done with one tool.

    Attributes:
        risk: of its contract; None where no catalogue names it.
        steps: that settled.
        by_status, by_final_mode: of those, where there are any.
        success_rate: of the finished.
        mean_confidence: of the finished.
        attempts, failed_attempts: at any rung, retries included.
        errors: failed attempts by class of error, the most frequent.
        avg_latency_ms: None where nothing was called.
        misfits: live results that do not fit the contract.
    """

    risk: Risk | None
    steps: int
    by_status: dict[StepStatus, int]
    by_final_mode: dict[str, int]
    success_rate: float | None
    mean_confidence: float | None
    attempts: int
    failed_attempts: int
    errors: dict[str, int]
    avg_latency_ms: float | None
    misfits: int


class Summary(Struct, frozen=True, kw_only=True):
    """`orchestration_summary.json`.

    Attributes:
        run_id: its name.
        version: of Buddy.
        kind: `plans` or `calls`.
        mode: how high it was asked to go.
        granted_by: who said so.
        environment_dry_run: `DRY_RUN=true` was set.
        started_at, finished_at: UTC ISO 8601; `finished_at` is None while it goes on.
        duration_s: seconds at work, without the time between a rest and a resume.
        resumes: how often it was taken up again.
        exit_reason, exit_code: of the last rest; None while it goes on, or where it was killed.
        events: lines of the journal.
        plans_declared, plans_processed: handed in, and admitted.
        steps, conflicts, approvals, rollbacks: counts.
        metrics: what was measured.
        health_status: what the score means.
        validation: what a validator said about the steps, against what happened.
        agents, tools: by name.
        config: every setting in force.
        warnings: one sentence each.
    """

    run_id: str
    version: str
    kind: str
    mode: Mode
    granted_by: str
    environment_dry_run: bool
    started_at: str
    finished_at: str | None
    duration_s: float | None
    resumes: int
    exit_reason: str | None
    exit_code: int | None
    events: int
    plans_declared: int
    plans_processed: int
    steps: StepCounts
    conflicts: ConflictCounts
    approvals: ApprovalCounts
    rollbacks: RollbackCounts
    metrics: Metrics
    health_status: Tier
    validation: Correlation
    agents: dict[str, AgentRow]
    tools: dict[str, ToolRow]
    config: dict[str, Any]
    warnings: list[str]


def summarise(run: Run) -> Summary:
    """Say what a run was asked, what it did so far, and how it ended."""
    header = run.header
    _, cells, total = run.counted()
    metrics = run.metrics()
    return Summary(
        run_id=run.run_id,
        version=header.version if header else "",
        kind=header.kind if header else "",
        mode=header.mode if header else Mode.MOCK,
        granted_by=header.granted_by if header else "",
        environment_dry_run=header.environment_dry_run if header else False,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration_s=round(run.duration_s, 6) if run.finishes else None,
        resumes=run.resumes,
        exit_reason=run.finish.reason if run.finish else None,
        exit_code=run.finish.exit_code if run.finish else None,
        events=run.seq,
        plans_declared=header.plans if header else 0,
        plans_processed=run.steps.plans,
        steps=_steps(header.steps if header else 0, total),
        conflicts=_conflicts(run),
        approvals=_approvals(run),
        rollbacks=_rollbacks(run),
        metrics=rounded(metrics),
        health_status=tier(metrics.health_score),
        validation=correlate(run.steps.judged()),
        agents=_agents(run, tallies(cells, lambda state: state.agent)),
        tools=_tools(run, tallies(cells, lambda state: state.tool)),
        config=run.config,
        warnings=warnings(run, total),
    )


def rounded(metrics: Metrics) -> Metrics:
    """Return the metrics as outputs show them."""
    values = {name: getattr(metrics, name) for name in Metrics.__struct_fields__}
    return replace(metrics, **{name: places(it) for name, it in values.items() if isinstance(it, float)})


def _steps(declared: int, total: Tally) -> StepCounts:
    return StepCounts(
        declared=declared,
        settled=total.steps,
        by_status={status: total.by_status.get(status, 0) for status in StepStatus},
        by_final_mode=by_final_mode(total),
        held_by_rule=dict(sorted(total.held.items())),
    )


def _conflicts(run: Run) -> ConflictCounts:
    counts = run.conflicts
    return ConflictCounts(
        total=counts.total,
        unresolved=counts.unresolved,
        by_type=counts.by_type,
        by_resolution=counts.by_resolution,
    )


def _approvals(run: Run) -> ApprovalCounts:
    states = {state.value.lower(): run.approvals.by_state[state] for state in ApprovalState}
    return ApprovalCounts(requested=run.approvals.requested, **states)


def _rollbacks(run: Run) -> RollbackCounts:
    return RollbackCounts(total=sum(run.undos.values()), verified=run.verified_undos, by_result=run.undos)


def _present(total: Tally) -> dict[StepStatus, int]:
    return {status: total.by_status[status] for status in StepStatus if status in total.by_status}


def _agents(run: Run, found: dict[str, Tally]) -> dict[str, AgentRow]:
    rows = {}
    for name in sorted({*found, *run.agents}):
        total, work = found.get(name, Tally()), run.agents.get(name, Work())
        rows[name] = AgentRow(
            steps=total.steps,
            by_status=_present(total),
            live=total.live,
            success_rate=places(total.success_rate),
            first_attempt_success_rate=places(total.first_rate),
            mean_confidence=places(total.mean_confidence),
            attempts=work.attempts,
            failed_attempts=work.failed,
            avg_latency_ms=places(total.mean_latency),
            load_s=round(work.ms / 1000, 6),
        )
    return rows


def _tools(run: Run, found: dict[str, Tally]) -> dict[str, ToolRow]:
    rows = {}
    for name in sorted({*found, *run.tools}):
        total, work = found.get(name, Tally()), run.tools.get(name, Work())
        contract = run.contracts.get(name)
        rows[name] = ToolRow(
            risk=contract.risk if contract else None,
            steps=total.steps,
            by_status=_present(total),
            by_final_mode={mode: count for mode, count in by_final_mode(total).items() if count},
            success_rate=places(total.success_rate),
            mean_confidence=places(total.mean_confidence),
            attempts=work.attempts,
            failed_attempts=work.failed,
            errors=dict(ranked(work.errors)),
            avg_latency_ms=places(total.mean_latency),
            misfits=run.misfits.get(name, 0),
        )
    return rows


def warnings(run: Run, total: Tally) -> list[str]:
    """Return what somebody who reads only the summary has to be told, one sentence each."""
    found = []
    if run.config.get("approval_required_for_high_risk") is False:
        found.append("approval_required_for_high_risk=false: HIGH risk tools go LIVE without a person")
    if run.header is not None and run.header.environment_dry_run:
        found.append("DRY_RUN=true was set in the environment: nothing went above MOCK")
    if run.finish is None:
        found.append("the run is not at rest: it is under way, or it was killed ('buddy resume' goes on)")
    unknown = total.by_status.get(StepStatus.UNKNOWN, 0)
    if unknown:
        found.append(f"live calls whose end nobody knows: {unknown} ('buddy resolve' says how they ended)")
    found += [f"the contract of '{tool}' had changed when the run was resumed" for tool in run.changed]
    found += [
        f"live results of '{tool}' that do not fit its contract: {count}"
        for tool, count in sorted(run.misfits.items())
    ]
    return found
