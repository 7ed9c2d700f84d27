"""`phase21_execution_summary.json`: what a fleet did, in numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from buddy.core.standing import AgentStatus
from buddy.model.fleet import AssignmentStrategy
from buddy.model.outcome import StepStatus
from buddy.model.plan import ScheduleKind
from buddy.projections.anomaly import Anomaly, AnomalyType
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.health import Scored, scored, weights
from buddy.projections.fleet.lines import TaskStatus, word
from buddy.projections.fleet.shares import Share, measure
from buddy.projections.metrics import places, ratio


class AgentTotal(Struct, frozen=True, kw_only=True):
    """What an agent did in the whole run.

    Attributes:
        status: how it stands at the end.
        tasks, completed_tasks, failed_tasks: that it had, and of those.
        attempts: retries included.
        success_rate: of tasks that finished.
        first_attempt_success_rate: of tasks that were tried.
        mean_predicted: success rate.
        prediction_error: mean predicted - mean actual on first attempts.
        availability: share of the time of the waves in which it was not quarantined.
        assigned_s, busy_s: assigned and measured seconds.
        utilisation: busy seconds / makespan.
        anomalies: how many were found about it.
    """

    status: AgentStatus
    tasks: int
    completed_tasks: int
    failed_tasks: int
    attempts: int
    success_rate: float | None
    first_attempt_success_rate: float | None
    mean_predicted: float | None
    prediction_error: float | None
    availability: float
    assigned_s: float
    busy_s: float
    utilisation: float | None
    anomalies: int


class FleetSummary(Struct, frozen=True, kw_only=True):
    """`phase21_execution_summary.json`.

    Attributes:
        run_id, plan_id: of which run, and of its plan.
        strategy: how tasks came to agents.
        schedule: `waves` or `continuous`.
        num_agents, max_parallel_tasks: how many.
        total_tasks: predicted.
        completed_tasks, failed_tasks, pending_tasks: in the words of phase 21; in progress counts as pending.
        steps_by_status: the same tasks by step status.
        retries: attempts after the first.
        moved_tasks: that went to another agent than planned.
        waves: that are over.
        rebalanced_waves: numbers of those that were shared out anew.
        start_time, end_time: of the first task and the last, UTC ISO 8601; None where none was tried.
        makespan_s: seconds between them.
        lower_bound_s: seconds below which no schedule comes: the critical path, or the work shared evenly.
        makespan_over_lower_bound: 1 is as fast as can be.
        expected_s: seconds that the schedule takes if everything lasts as long as was estimated.
        barrier_cost_s: seconds of those that a schedule without waves would save.
        critical_path: ids of the tasks on it, the first 1,000.
        critical_path_s: its length in estimated seconds.
        system_health: of the whole run.
        anomaly_counts: by type, those that were found.
        per_agent_metrics: agent -> what it did.
    """

    run_id: str
    plan_id: str
    strategy: AssignmentStrategy
    schedule: ScheduleKind
    num_agents: int
    max_parallel_tasks: int
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    pending_tasks: int
    steps_by_status: dict[StepStatus, int]
    retries: int
    moved_tasks: int
    waves: int
    rebalanced_waves: list[int]
    start_time: str | None
    end_time: str | None
    makespan_s: float
    lower_bound_s: float
    makespan_over_lower_bound: float | None
    expected_s: float
    barrier_cost_s: float
    critical_path: list[str]
    critical_path_s: float
    system_health: Scored
    anomaly_counts: dict[AnomalyType, int]
    per_agent_metrics: dict[str, AgentTotal]


def anomalies(fleet: Fleet) -> Iterator[Anomaly]:
    """Yield what was found in the waves that are over."""
    return (anomaly for wave in fleet.over for anomaly in wave.anomalies)


def summarise(fleet: Fleet, run_id: str, config: Mapping[str, Any]) -> FleetSummary:
    """Say what a fleet did, so far.

    Args:
        fleet: the fold.
        run_id: of which run.
        config: of the run.
    """
    plan = fleet.plan
    given = [task_id for task_id, task in fleet.tasks.items() if task.assigned is not None]
    shares = {agent: Share(agent=agent, standing=standing) for agent, standing in fleet.standings.items()}
    shares |= fleet.shares(given)
    words: Counter[TaskStatus] = Counter()
    by_agent: dict[str, Counter[TaskStatus]] = {agent: Counter() for agent in shares}
    by_status: dict[StepStatus, int] = {}
    retries = 0
    for task in fleet.tasks.values():
        status = word(task)
        words[status] += 1
        if task.assigned is not None:
            by_agent[task.agent][status] += 1
        retries += max(0, task.attempts - 1)
        if task.state.status is not None:
            by_status[task.state.status] = by_status.get(task.state.status, 0) + 1
    completed, failed = words[TaskStatus.COMPLETED], words[TaskStatus.FAILED]
    start, end = fleet.span
    makespan = fleet.makespan_s
    out = sum(share.standing.status is AgentStatus.QUARANTINED for share in shares.values())
    measured = measure(shares.values(), len(shares), out)
    # An agent that was out for a quarter of the time was there for three.
    there = [fleet.availability(agent) for agent in plan.agents]
    measured.availability = ratio(sum(there), len(there))
    counts: dict[AnomalyType, int] = {}
    about: dict[str, int] = {}
    for anomaly in anomalies(fleet):
        counts[anomaly.type] = counts.get(anomaly.type, 0) + 1
        about[anomaly.subject] = about.get(anomaly.subject, 0) + 1
    return FleetSummary(
        run_id=run_id,
        plan_id=fleet.plan_id,
        strategy=plan.strategy,
        schedule=plan.kind,
        num_agents=len(plan.agents),
        max_parallel_tasks=plan.parallel,
        total_tasks=fleet.declared,
        completed_tasks=completed,
        failed_tasks=failed,
        pending_tasks=fleet.declared - completed - failed,
        steps_by_status=by_status,
        retries=retries,
        moved_tasks=sum(wave.moved for wave in fleet.waves.values()),
        waves=len(fleet.over),
        rebalanced_waves=[number for number, wave in sorted(fleet.waves.items()) if wave.rebalanced],
        start_time=start or None,
        end_time=end or None,
        makespan_s=round(makespan, 6),
        lower_bound_s=plan.lower_bound_s,
        makespan_over_lower_bound=places(ratio(makespan, plan.lower_bound_s)),
        expected_s=plan.expected_s,
        barrier_cost_s=round(max(0.0, plan.expected_s - plan.without_barrier_s), 6),
        critical_path=plan.critical_path,
        critical_path_s=plan.critical_path_s,
        system_health=scored(measured, weights(config)),
        anomaly_counts=counts,
        per_agent_metrics={
            agent: _total(fleet, share, by_agent[agent], makespan, about.get(f"agent:{agent}", 0))
            for agent, share in shares.items()
        },
    )


def _total(
    fleet: Fleet, share: Share, words: Mapping[TaskStatus, int], makespan: float, found: int
) -> AgentTotal:
    return AgentTotal(
        status=share.standing.status,
        tasks=share.tasks,
        completed_tasks=words[TaskStatus.COMPLETED],
        failed_tasks=words[TaskStatus.FAILED],
        attempts=share.attempts,
        success_rate=places(share.success_rate),
        first_attempt_success_rate=places(share.first_rate),
        mean_predicted=places(share.mean_predicted),
        prediction_error=places(share.error),
        availability=round(fleet.availability(share.agent), 6),
        assigned_s=round(share.assigned_s, 6),
        busy_s=round(share.busy_s, 6),
        utilisation=places(ratio(share.busy_s, makespan)),
        anomalies=found,
    )
