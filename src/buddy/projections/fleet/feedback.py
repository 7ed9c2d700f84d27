"""What phases 16, 18 and 20 read after a fleet has run: the signals of its waves, in the form of each."""

from msgspec import Struct

from buddy.projections.lines import encode_line
from buddy.projections.signal_types import (
    AgentPerformance,
    FleetSignal,
    HeuristicFeedback,
    MultiAgentCoordination,
    PredictionValidation,
)

PHASE_16 = "feedback/phase16/heuristic_feedback.jsonl"
PHASE_18 = "feedback/phase18/coordination_feedback.jsonl"
PHASE_20 = "feedback/phase20/prediction_validation_feedback.jsonl"


class HeuristicLine(Struct, frozen=True, kw_only=True):
    """One line for phase 16: how good the predictions of a heuristic were in a wave.

    Attributes:
        heuristic_id: `unattributed` for tasks that name none.
        accuracy: 1 - |mean predicted - mean actual|.
        error_rate: share of first attempts that failed.
        improvement: of the accuracy over the wave before in which it was used; None in the first.
        wave: from 1.
        tasks: that were tried.
        signal_id: of the signal in `phase21_learning_signals.jsonl`.
        generated_at: UTC ISO 8601.
    """

    heuristic_id: str
    accuracy: float
    error_rate: float
    improvement: float | None
    wave: int
    tasks: int
    signal_id: str
    generated_at: str


class CoordinationLine(Struct, frozen=True, kw_only=True):
    """One line for phase 18: how an agent did in a wave, or (without an agent) how all worked together.

    Attributes:
        agent_id: None is about all.
        performance_score: 0 to 100: of an agent its success rate on tasks that finished, of all the evenness
            of their loads; None is no data.
        coordination_issues: types of the anomalies behind it.
        wave: from 1.
        tasks: in it.
        interference_count: tasks that others kept from getting as far as they should, of all.
        signal_id: of the signal in `phase21_learning_signals.jsonl`.
        generated_at: UTC ISO 8601.
    """

    agent_id: str | None
    performance_score: float | None
    coordination_issues: list[str]
    wave: int
    tasks: int
    interference_count: int | None
    signal_id: str
    generated_at: str


class ValidationLine(Struct, frozen=True, kw_only=True):
    """One line for phase 20: what became of a prediction in a wave, or (without an id) of all of them.

    Attributes:
        prediction_id: None is all of the wave.
        actual_success: share of first attempts that passed.
        confidence_delta: mean actual - mean predicted: what has to be added to the predictions.
        error_analysis: mean squared error, and how many were too optimistic and too pessimistic.
        wave: from 1.
        tasks: that were tried.
        signal_id: of the signal in `phase21_learning_signals.jsonl`.
        generated_at: UTC ISO 8601.
    """

    prediction_id: str | None
    actual_success: float
    confidence_delta: float
    error_analysis: dict[str, float]
    wave: int
    tasks: int
    signal_id: str
    generated_at: str


def told(signal: FleetSignal) -> tuple[str, bytes] | None:
    """Return the file that hears of a signal, and its line there; None where no file does."""
    match signal:
        case HeuristicFeedback(content=content):
            line: Struct = HeuristicLine(
                heuristic_id=content.heuristic_id,
                accuracy=content.accuracy,
                error_rate=content.error_rate,
                improvement=content.accuracy_improvement,
                wave=content.wave,
                tasks=content.tasks,
                signal_id=signal.signal_id,
                generated_at=signal.generated_at,
            )
            return PHASE_16, encode_line(line)
        case AgentPerformance() | MultiAgentCoordination():
            return PHASE_18, encode_line(_coordination(signal))
        case PredictionValidation(content=content):
            line = ValidationLine(
                prediction_id=content.prediction_id,
                actual_success=content.actual_success,
                confidence_delta=0.0 - content.calibration_error,
                error_analysis=content.error_analysis,
                wave=content.wave,
                tasks=content.tasks,
                signal_id=signal.signal_id,
                generated_at=signal.generated_at,
            )
            return PHASE_20, encode_line(line)
        case _:
            return None


def _coordination(signal: AgentPerformance | MultiAgentCoordination) -> CoordinationLine:
    content = signal.content
    if isinstance(signal, AgentPerformance):
        performance = signal.content
        value, issues, hindered = performance.success_rate, performance.anomalies, None
    else:
        together = signal.content
        value, issues, hindered = together.load_balance, together.issues, together.interference_count
    return CoordinationLine(
        agent_id=signal.agent_id,
        performance_score=None if value is None else round(100 * value, 6),
        coordination_issues=issues,
        wave=content.wave or 0,
        tasks=content.tasks,
        interference_count=hindered,
        signal_id=signal.signal_id,
        generated_at=signal.generated_at,
    )
