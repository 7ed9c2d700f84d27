"""The signals that phases which learn are told, one record a type."""

from typing import Any

from msgspec import Struct

from buddy.model.conflict import ConflictType, Strategy
from buddy.projections.anomalies import AnomalyType, Severity


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


class Performance(Struct, frozen=True, kw_only=True):
    """How an agent did.

    Attributes:
        tasks: its steps that settled.
        finished: of those.
        success_rate: of the finished.
        first_attempt_success_rate: of the finished that were tried.
        avg_latency: ms, None where nothing was called.
        mean_predicted: mean confidence of the finished that have one.
        prediction_error: mean predicted - mean actual on first attempts.
        load_s: seconds of work, every attempt at every rung.
        attempts, failed_attempts: at any rung, retries included.
        error_patterns: classes of error that came more than once, most frequent first.
    """

    tasks: int
    finished: int
    success_rate: float | None
    first_attempt_success_rate: float | None
    avg_latency: float | None
    mean_predicted: float | None
    prediction_error: float | None
    load_s: float
    attempts: int
    failed_attempts: int
    error_patterns: dict[str, int]


class AgentPerformance(Signal, frozen=True, kw_only=True, tag="agent_performance"):
    """One for each agent with finished steps, for phase 18."""

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


AnySignal = (
    ToolReliability
    | ApprovalMismatch
    | ExecutionModeAnalysis
    | ConflictPattern
    | AgentPerformance
    | AnomalyFound
)
