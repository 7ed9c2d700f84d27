"""What can be wrong with a run, and what to do about it."""

from enum import Enum
from typing import Any

from msgspec import Struct


class AnomalyType(Enum):
    """What can be wrong with a run."""

    UNSAFE_ESCALATION = "unsafe_escalation"
    GATE_DENIED = "gate_denied"
    REPEATED_FAILURES = "repeated_failures"
    HIGH_ROLLBACK = "high_rollback"
    HIGH_CONFLICT = "high_conflict"
    AGENT_FAILURE = "agent_failure"
    COORDINATION_ISSUE = "coordination_issue"
    PREDICTION_DRIFT = "prediction_drift"
    LOAD_IMBALANCE = "load_imbalance"


class Severity(Enum):
    """How soon somebody should look."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


RECOMMENDATIONS: dict[AnomalyType, str] = {
    AnomalyType.UNSAFE_ESCALATION: "'buddy lock' now; then 'buddy verify' the run and look at this step.",
    AnomalyType.GATE_DENIED: "Clear what the reason names, then 'buddy resume' the run.",
    AnomalyType.REPEATED_FAILURES: "Look at the tool's last errors before calling it again.",
    AnomalyType.HIGH_ROLLBACK: "Look at why the plans of the undone steps failed before sending more LIVE.",
    AnomalyType.HIGH_CONFLICT: "Give the agents different resources, or order the steps with depends_on.",
    AnomalyType.AGENT_FAILURE: "Look at the failed steps of the agent before giving it more work.",
    AnomalyType.COORDINATION_ISSUE: "Move work from the busiest agent to the least busy one.",
    AnomalyType.PREDICTION_DRIFT: "Recalibrate the confidence scores of these steps before trusting them.",
    AnomalyType.LOAD_IMBALANCE: "Rebalance: assign the longest tasks first to the agent with the least time.",
}


class Anomaly(Struct, frozen=True, kw_only=True):
    """Something that a person should look at.

    Attributes:
        type: what is wrong.
        severity: how soon somebody should look.
        time: when it was found, UTC ISO 8601.
        subject: what is wrong with it: `run`, `agents`, `tool:NAME`, `agent:NAME` or `step:PLAN/STEP`.
        figures: the numbers and names behind it.
        recommendation: what to do, one sentence.
        breaker: DRY_RUN or LIVE failures that count show it, so that it may open a breaker on its subject.
        observations: how many facts it rests on.
        evidence: journal lines.
    """

    type: AnomalyType
    severity: Severity
    time: str
    subject: str
    figures: dict[str, Any]
    recommendation: str
    breaker: bool = False
    observations: int = 1
    evidence: list[int] = []

    @property
    def sentence(self) -> str:
        """What a person is told at once."""
        return f"{self.type.value}: {self.subject}: {self.recommendation}"
