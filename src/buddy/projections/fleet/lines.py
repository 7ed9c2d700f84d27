"""What the folder of an agent in a wave holds: its assignments, its tasks as executed, and its metrics."""

from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

from buddy.core.standing import AgentStatus
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.fleet.shares import Share, Task, Wave
from buddy.projections.metrics import places, ratio
from buddy.projections.steps import RUNGS


class TaskStatus(Enum):
    """Where a task stands, in the words of phase 21."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    RETRYING = "RETRYING"


_WORDS = {
    StepStatus.SUCCEEDED: TaskStatus.COMPLETED,
    StepStatus.HELD: TaskStatus.PENDING,
    StepStatus.UNKNOWN: TaskStatus.IN_PROGRESS,
}
"""Settled steps in those words; any other has FAILED."""


def word(task: Task) -> TaskStatus:
    """Say where a task stands.

    One that was tried and is not settled is IN_PROGRESS, or RETRYING; one that a ceiling kept from more than
    its rehearsal has SUCCEEDED as a step, but nothing was done, so it is PENDING.
    """
    status = task.state.status
    if status is StepStatus.SUCCEEDED and not task.attempts:
        return TaskStatus.PENDING
    if status is not None:
        return _WORDS.get(status, TaskStatus.FAILED)
    if not task.attempts:
        return TaskStatus.PENDING
    return TaskStatus.RETRYING if task.error else TaskStatus.IN_PROGRESS


class AssignmentLine(Struct, frozen=True, kw_only=True):
    """One line of `agent_assignments.jsonl`.

    Attributes:
        task_id: of which task.
        agent_id: who got it.
        predicted_success_rate: as predicted.
        assigned_at: UTC ISO 8601.
        wave: from 1.
        recalibrated_success_rate: corrected by the error that was measured before.
        confidence: of the step.
        complexity: as predicted.
        estimated_duration_s: seconds.
        tool_name: that does it.
        moved_from: the agent that had it before, where it moved.
    """

    task_id: str
    agent_id: str
    predicted_success_rate: float
    assigned_at: str
    wave: int
    recalibrated_success_rate: float
    confidence: float | None
    complexity: float | None
    estimated_duration_s: float
    tool_name: str
    moved_from: str | None


class TaskLine(Struct, frozen=True, kw_only=True):
    """One line of `executed_tasks.jsonl`.

    Attributes:
        task_id: of which task.
        agent_id: whose it was.
        status: in the words of phase 21.
        start_time: of its first attempt, UTC ISO 8601; None where there was none.
        end_time: of its last; None where there was none, or it is not settled.
        success: it SUCCEEDED; None where it is not settled, or held, or nobody knows.
        error_msg: why it did not.
        wave: from 1.
        tool_name: that did it.
        step_status: where the step stands, None where it is not settled.
        final_mode: the highest rung passed.
        rule: that stopped it.
        attempts: retries included.
        duration_s: from start to end.
    """

    task_id: str
    agent_id: str
    status: TaskStatus
    start_time: str | None
    end_time: str | None
    success: bool | None
    error_msg: str | None
    wave: int
    tool_name: str
    step_status: StepStatus | None
    final_mode: Mode | None
    rule: str | None
    attempts: int
    duration_s: float | None


class MetricLine(Struct, frozen=True, kw_only=True):
    """One line of `agent_metrics.jsonl`.

    Attributes:
        agent_id: whose.
        metric_name: which.
        value: None is no data.
        timestamp: when the wave was over, UTC ISO 8601.
        wave: from 1.
    """

    agent_id: str
    metric_name: str
    value: float | None
    timestamp: str
    wave: int


def assignment(task: Task) -> AssignmentLine:
    """Say who got a task."""
    given = task.assigned
    assert given is not None
    return AssignmentLine(
        task_id=task.task_id,
        agent_id=given.agent,
        predicted_success_rate=given.rate,
        assigned_at=task.assigned_at,
        wave=given.wave,
        recalibrated_success_rate=given.recalibrated,
        confidence=given.confidence,
        complexity=given.complexity,
        estimated_duration_s=given.seconds,
        tool_name=given.tool,
        moved_from=given.moved_from or None,
    )


def executed(task: Task) -> TaskLine:
    """Say what became of a task."""
    given, state = task.assigned, task.state
    assert given is not None
    status = word(task)
    over = status in (TaskStatus.COMPLETED, TaskStatus.FAILED)
    return TaskLine(
        task_id=task.task_id,
        agent_id=given.agent,
        status=status,
        start_time=task.started_at or None,
        end_time=(task.ended_at or None) if over else None,
        success=status is TaskStatus.COMPLETED if over else None,
        error_msg=None if status is TaskStatus.COMPLETED else (task.error or task.reason or None),
        wave=given.wave,
        tool_name=given.tool,
        step_status=state.status,
        final_mode=RUNGS[state.passed],
        rule=state.rule or None,
        attempts=task.attempts,
        duration_s=round(task.busy_s, 6) if over and task.started_at else None,
    )


def metrics(wave: Wave, share: Share) -> Iterator[MetricLine]:
    """Yield what was measured of an agent in a wave that is over, a number a line."""
    error = share.error
    measured: dict[str, float | None] = {
        "success_rate": share.success_rate,
        "first_attempt_success_rate": share.first_rate,
        "availability": float(share.standing.status is not AgentStatus.QUARANTINED),
        "accuracy": None if error is None else 1.0 - abs(error),
        "confidence": share.mean_predicted,
        "prediction_error": error,
        "tasks": share.tasks,
        "attempts": share.attempts,
        "assigned_s": share.assigned_s,
        "busy_s": share.busy_s,
        "utilisation": ratio(share.busy_s, wave.duration_s),
        "avg_latency_ms": ratio(1000 * share.busy_s, share.tasks),
    }
    for name, value in measured.items():
        yield MetricLine(
            agent_id=share.agent,
            metric_name=name,
            value=places(value),
            timestamp=wave.ended_at,
            wave=wave.number,
        )
