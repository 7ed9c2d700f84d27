"""Predictions: what is expected of tasks before any agent has them, as files hold it."""

from enum import Enum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from buddy.model.plan import Duration, Fraction, Id, Wave

Name = Annotated[str, Meta(min_length=1, max_length=256)]

TASK = "task"
"""The tool of a task that names none: it is simulated."""


class AssignmentStrategy(Enum):
    """How tasks come to agents."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LOAD_BALANCED = "LOAD_BALANCED"
    PRIORITY_BASED = "PRIORITY_BASED"
    CONFIDENCE_BASED = "CONFIDENCE_BASED"


class PredictedTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `predicted_tasks.jsonl`.

    Attributes:
        task_id: unique in the folder.
        predicted_success_rate: chance that the first attempt succeeds (`success_probability` is accepted).
        tool: that does it; a task without one is simulated.
        args: the call's arguments, references to other tasks' results included.
        confidence: in the step; the predicted success rate where it is left out.
        complexity: how hard the work is, on the predictor's own scale; larger is harder.
        priority: larger comes first among equals.
        depends_on: ids of tasks that must be done first.
        estimated_duration_s: seconds, one where nobody estimated.
        heuristic_id: of the heuristic behind the prediction.
        prediction_id: of the prediction.
        wave: from 1; the schedule's wave stands above it.
        group: tasks of one group are rolled back together; the task alone where it is left out.
        meta: anything; Buddy does not look into it.
    """

    task_id: Id
    predicted_success_rate: Fraction | None = None
    success_probability: Fraction | None = None
    tool: Name | None = None
    args: dict[str, Any] = field(default_factory=dict)
    confidence: Fraction | None = None
    complexity: Annotated[float, Meta(ge=0)] | None = None
    priority: float | None = None
    depends_on: tuple[Id, ...] = ()
    estimated_duration_s: Duration | None = None
    heuristic_id: Name | None = None
    prediction_id: Name | None = None
    wave: Wave | None = None
    group: Id | None = None
    meta: dict[str, Any] = field(default_factory=dict)


class ScheduledTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `predicted_schedule.jsonl`.

    Attributes:
        task_id: of a predicted task.
        agent_id: that should do it; assigned by strategy where it is left out.
        wave: from 1; by dependencies where it is left out.
    """

    task_id: Id
    agent_id: Id | None = None
    wave: Wave | None = None
