"""The signals that phases which learn are told, one record a type."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from buddy.model.conflict import ConflictType, Strategy
from buddy.projections.anomaly import Anomaly, AnomalyType, Severity


class Signal(Struct, frozen=True, kw_only=True, tag_field="signal_type"):
    """What a phase that learns is told.

    Attributes:
        signal_id: unique in the run and the same whenever it is worked out again.
        target_phase: who is told.
        tool_name: None where it is about none in particular.
        agent_id: None where it is about none in particular.
        confidence: of the signal itself; grows with evidence.
        evidence: journal seqs, at most 20.
        generated_at: when the run came to rest, UTC ISO 8601.
    """

    signal_id: str
    target_phase: int
    tool_name: str | None = None
    agent_id: str | None = None
    confidence: float
    evidence: list[int]
    generated_at: str


class Reliability(Struct, frozen=True, kw_only=True):
    """How a tool did.

    Attributes:
        steps: that finished.
        succeeded, failed, unknown, rolled_back: of those.
        success_rate: succeeded / steps.
        rollback_frequency: rolled back / LIVE, None where nothing was LIVE.
        avg_latency: ms, None where nothing was called.
        attempts, failed_attempts: at any rung, retries included.
        error_patterns: classes of error that came more than once, most frequent first.
    """

    steps: int
    succeeded: int
    failed: int
    unknown: int
    rolled_back: int
    success_rate: float | None
    rollback_frequency: float | None
    avg_latency: float | None
    attempts: int
    failed_attempts: int
    error_patterns: dict[str, int]


class ToolReliability(Signal, frozen=True, kw_only=True, tag="TOOL_RELIABILITY"):
    """One for each tool with finished steps, for phase 16."""

    content: Reliability


class Disagreement(Struct, frozen=True, kw_only=True):
    """Where people and confidence scores disagree about a tool.

    Attributes:
        decided: approved or denied, where the step has a confidence.
        approved, denied: of those.
        approved_unsure: approved though the confidence is below 0.85, which no tool's threshold exceeds
            by itself: the scores are too low.
        denied_sure: denied though the confidence reaches the tool's threshold for LIVE: they are too high.
        threshold: the tool's, for LIVE.
        approved_confidence, denied_confidence: means, None where there are none.
    """

    decided: int
    approved: int
    denied: int
    approved_unsure: int
    denied_sure: int
    threshold: float
    approved_confidence: float | None
    denied_confidence: float | None


class ApprovalMismatch(Signal, frozen=True, kw_only=True, tag="APPROVAL_MISMATCH"):
    """One for each tool with a decision at odds with the confidence, for phase 16."""

    content: Disagreement


class ModeUse(Struct, frozen=True, kw_only=True):
    """How far the steps of a tool climbed.

    Attributes:
        steps: that settled.
        by_final_mode: by highest rung passed, `NONE` where none was.
        live_ratio: steps that reached LIVE / steps.
        stopped_by: steps by the rule that stopped them.
        mean_confidence, success_rate: of finished steps.
        confidence_drift: their difference; what it suggests about thresholds is for people to decide.
    """

    steps: int
    by_final_mode: dict[str, int]
    live_ratio: float | None
    stopped_by: dict[str, int]
    mean_confidence: float | None
    success_rate: float | None
    confidence_drift: float | None


class ExecutionModeAnalysis(Signal, frozen=True, kw_only=True, tag="EXECUTION_MODE_ANALYSIS"):
    """One for each tool with settled steps, for phase 19."""

    content: ModeUse


class Pair(Struct, frozen=True, kw_only=True):
    """Two tools, or two agents, whose steps stand next to each other in conflicts, the earlier first."""

    first: str
    second: str
    count: int


class ConflictUse(Struct, frozen=True, kw_only=True):
    """The conflicts of one type.

    Attributes:
        conflict_type: which.
        conflicts: how many.
        unresolved: of those.
        by_resolution: of those.
        tool_pairs, agent_pairs: most frequent first, at most 10.
        resources: most frequent first, at most 10.
    """

    conflict_type: ConflictType
    conflicts: int
    unresolved: int
    by_resolution: dict[Strategy, int]
    tool_pairs: list[Pair]
    agent_pairs: list[Pair]
    resources: dict[str, int]


class ConflictPattern(Signal, frozen=True, kw_only=True, tag="CONFLICT_PATTERN"):
    """One for each type of conflict that there was, for phase 19."""

    content: ConflictUse


class Performance(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an agent did, in a run or in one wave of a fleet.

    Attributes:
        wave: from 1; left out for the whole run.
        standing: with which it began the wave: `available`, `failing` (on probation) or `quarantined`.
        tasks: its steps that settled.
        finished: of those.
        success_rate: of the finished.
        first_attempt_success_rate: of the finished that were tried.
        avg_latency: ms, None where nothing was called; of a wave, from start to end of a task.
        mean_predicted: mean confidence of the finished that have one; of a wave, mean predicted rate.
        prediction_error: mean predicted - mean actual on first attempts.
        assigned_s: estimated seconds of the tasks in the wave.
        load_s: seconds of work, every attempt at every rung.
        attempts, failed_attempts: at any rung, retries included.
        error_patterns: classes of error that came more than once, most frequent first.
        anomalies: types of what was found about it in the wave, where anything was.
    """

    wave: int | None = None
    standing: str | None = None
    tasks: int
    finished: int
    success_rate: float | None
    first_attempt_success_rate: float | None
    avg_latency: float | None
    mean_predicted: float | None
    prediction_error: float | None
    assigned_s: float | None = None
    load_s: float
    attempts: int
    failed_attempts: int
    error_patterns: dict[str, int]
    anomalies: list[str] = []


class AgentPerformance(Signal, frozen=True, kw_only=True, tag="agent_performance"):
    """One for each agent with finished steps, and in a fleet for each with tasks in a wave; for phase 18."""

    content: Performance


class Found(Struct, frozen=True, kw_only=True):
    """An anomaly, as a signal."""

    anomaly_type: AnomalyType
    severity: Severity
    subject: str
    figures: dict[str, Any]
    recommendation: str


class AnomalyFound(Signal, frozen=True, kw_only=True, tag="ANOMALY"):
    """One for each anomaly, for the phase that can do most about it."""

    content: Found


class Coordination(Struct, frozen=True, kw_only=True):
    """How agents worked together in a wave.

    Attributes:
        wave: from 1.
        agents: with tasks in it.
        tasks: in it.
        load_balance: least / most assigned seconds.
        availability: available agent time / total agent time.
        interference_count: tasks that did not get as far as they should because of others: skipped, held
            or refused.
        moved: tasks that went to another agent than planned.
        rebalanced: all tasks were shared out anew.
        duration_s: of the wave.
        idle_s: agent seconds in it without work.
        issues: types of what was found about loads.
    """

    wave: int
    agents: int
    tasks: int
    load_balance: float | None
    availability: float | None
    interference_count: int
    moved: int
    rebalanced: bool
    duration_s: float
    idle_s: float
    issues: list[str]


class MultiAgentCoordination(Signal, frozen=True, kw_only=True, tag="multi_agent_coordination"):
    """One for each wave, for phase 18."""

    content: Coordination


class HeuristicResult(Struct, frozen=True, kw_only=True):
    """How good the predictions of a heuristic were in a wave.

    Attributes:
        wave: from 1.
        heuristic_id: `unattributed` for tasks that name none.
        tasks: that were tried.
        accuracy: 1 - |mean predicted - mean actual|.
        error_rate: share of first attempts that failed.
        accuracy_improvement: accuracy - that of the wave before in which it was used; None in the first.
    """

    wave: int
    heuristic_id: str
    tasks: int
    accuracy: float
    error_rate: float
    accuracy_improvement: float | None


class HeuristicFeedback(Signal, frozen=True, kw_only=True, tag="heuristic_feedback"):
    """One for each heuristic in a wave, for phase 16."""

    content: HeuristicResult


class Calibration(Struct, frozen=True, kw_only=True):
    """What became of a prediction, or of all in a wave.

    Attributes:
        wave: from 1.
        prediction_id: None for all of the wave together.
        tasks: that were tried.
        mean_predicted: success rate.
        actual_success: share of first attempts that passed.
        calibration_error: mean predicted - actual; positive is too optimistic.
        confidence_calibration: 1 - |calibration_error|.
        error_analysis: `squared_error` (mean, Brier 1950), `too_optimistic` and `too_pessimistic` (tasks that
            failed at a predicted rate of 0.5 or more, and passed below it).
    """

    wave: int
    prediction_id: str | None
    tasks: int
    mean_predicted: float
    actual_success: float
    calibration_error: float
    confidence_calibration: float
    error_analysis: dict[str, float]


class PredictionValidation(Signal, frozen=True, kw_only=True, tag="prediction_validation"):
    """One for each wave, and one for each prediction that has an id, for phase 20."""

    content: Calibration


FleetSignal = (
    AgentPerformance | MultiAgentCoordination | HeuristicFeedback | PredictionValidation | AnomalyFound
)
"""What is told after each wave of a fleet."""

AnySignal = ToolReliability | ApprovalMismatch | ExecutionModeAnalysis | ConflictPattern | FleetSignal
"""Every signal."""

HALF = 5
"""Observations after which a signal's confidence is one half."""

TELLS: dict[AnomalyType, int] = {
    AnomalyType.UNSAFE_ESCALATION: 19,
    AnomalyType.GATE_DENIED: 19,
    AnomalyType.REPEATED_FAILURES: 16,
    AnomalyType.HIGH_ROLLBACK: 16,
    AnomalyType.HIGH_CONFLICT: 19,
    AnomalyType.AGENT_FAILURE: 18,
    AnomalyType.COORDINATION_ISSUE: 18,
    AnomalyType.PREDICTION_DRIFT: 20,
    AnomalyType.LOAD_IMBALANCE: 18,
}
"""Which phase is told of which anomaly."""

PROVEN = frozenset({AnomalyType.UNSAFE_ESCALATION, AnomalyType.GATE_DENIED})
"""Anomalies that one record proves."""


def trust(observations: int) -> float:
    """Return how much a signal is to be believed: `n / (n + HALF)`."""
    return round(observations / (observations + HALF), 6)


def anomaly_found(anomaly: Anomaly, stamp: Mapping[str, Any]) -> AnomalyFound:
    """Return what the phase that can do most about an anomaly is told.

    Args:
        anomaly: as found.
        stamp: id, phase, evidence and time of the signal.
    """
    kind, _, name = anomaly.subject.partition(":")
    return AnomalyFound(
        tool_name=name if kind == "tool" else anomaly.figures.get("tool"),
        agent_id=name if kind == "agent" else anomaly.figures.get("agent"),
        confidence=1.0 if anomaly.type in PROVEN else trust(anomaly.observations),
        content=Found(
            anomaly_type=anomaly.type,
            severity=anomaly.severity,
            subject=anomaly.subject,
            figures=anomaly.figures,
            recommendation=anomaly.recommendation,
        ),
        **stamp,
    )
