"""What happens in a run of a fleet beside what happens in every run."""

from msgspec import Struct

from buddy.model.fleet import AssignmentStrategy
from buddy.model.plan import ScheduleKind


class FleetPlan(Struct, frozen=True, kw_only=True):
    """What the plan of a fleet sets out with.

    Attributes:
        agents: their names.
        strategy: how tasks come to them.
        kind: waves, or continuous.
        parallel: tasks at once.
        critical_path: ids of the tasks on it, the first 1,000.
        critical_path_s: its length in estimated seconds.
        work_s: estimated seconds of all tasks.
        lower_bound_s: seconds below which no schedule comes.
        expected_s: seconds that the schedule takes if everything lasts as long as was estimated.
        without_barrier_s: seconds that it would take without waves.
    """

    agents: list[str]
    strategy: AssignmentStrategy
    kind: ScheduleKind
    parallel: int
    critical_path: list[str]
    critical_path_s: float
    work_s: float
    lower_bound_s: float
    expected_s: float
    without_barrier_s: float


class WaveStarted(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="wave_started"
):
    """The first task of a wave may start.

    Attributes:
        wave: from 1.
        tasks: how many are not settled.
        rebalanced: the load of the wave before was so uneven that all tasks were shared out anew.
    """

    plan: str
    wave: int
    tasks: int
    rebalanced: bool = False


class TaskAssigned(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="assigned"):
    """An agent got a task of a fleet.

    Attributes:
        agent: who.
        moved_from: the agent that had it before, where it moved.
        wave: of the task.
        rate: its predicted success rate.
        recalibrated: that rate corrected by what was measured so far.
        seconds: estimated.
        confidence: of the step.
        complexity, heuristic_id, prediction_id: as predicted.
    """

    plan: str
    step: str
    tool: str
    agent: str
    moved_from: str = ""
    wave: int
    rate: float
    recalibrated: float
    seconds: float
    confidence: float | None = None
    complexity: float | None = None
    heuristic_id: str | None = None
    prediction_id: str | None = None


class WaveFinished(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="wave_finished"
):
    """Every task of a wave is settled, or waits for a person."""

    plan: str
    wave: int
