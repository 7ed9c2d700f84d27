"""The coordination plan of a fleet: who is to do what in which wave, and how long it should take."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from buddy.core.fleet import seconds_of
from buddy.core.ordering import Schedule
from buddy.core.ranks import Slot, critical_path, expected, lower_bound
from buddy.journal.events import FleetPlan
from buddy.model.config import ExecutionConfig

LISTED = 1_000
"""Tasks of the critical path that are named."""


class Load(Struct, frozen=True, kw_only=True):
    """What an agent is expected to do in a wave.

    Attributes:
        wave: from 1.
        agent: its name.
        tasks: how many.
        load_s: their estimated seconds.
        start_s: when the first should start, seconds from the start of the run.
        finish_s: when the last should end.
    """

    wave: int
    agent: str
    tasks: int
    load_s: float
    start_s: float
    finish_s: float


Edges = Mapping[int, Sequence[int]]
"""Place -> the places that conflicts make it wait for."""

NO_EDGES: Edges = MappingProxyType({})


def outlook(schedule: Schedule, config: ExecutionConfig, parallel: int, edges: Edges = NO_EDGES) -> FleetPlan:
    """Say what the plan of a fleet sets out with.

    Args:
        schedule: of its plan.
        config: of the run.
        parallel: tasks at once.
        edges: of conflicts.
    """
    seconds = [seconds_of(step) for step in schedule.steps]
    path = critical_path(seconds, schedule.needs)
    assert schedule.plan.fleet is not None
    slots = expectation(schedule, parallel, edges)
    free = slots if schedule.plan.fleet == "continuous" else list_schedule(schedule, parallel, edges)
    hands = min(sum(_hands(schedule)), parallel)
    return FleetPlan(
        agents=list(schedule.plan.agents),
        strategy=config.assignment_strategy,
        kind=schedule.plan.fleet,
        parallel=parallel,
        critical_path=[schedule.steps[place].step_id for place in path[:LISTED]],
        critical_path_s=round(sum(seconds[place] for place in path), 6),
        work_s=round(sum(seconds), 6),
        lower_bound_s=round(lower_bound(seconds, schedule.needs, hands), 6),
        expected_s=round(max((slot.end for slot in slots), default=0.0), 6),
        without_barrier_s=round(max((slot.end for slot in free), default=0.0), 6),
    )


def expectation(schedule: Schedule, parallel: int, edges: Edges = NO_EDGES) -> list[Slot]:
    """Return when each task should run, by place, and which agent (by number) has it."""
    if schedule.plan.fleet == "continuous":
        return list_schedule(schedule, parallel, edges)
    number = {agent: place for place, agent in enumerate(schedule.plan.agents)}
    given: list[int | None] = [number[step.agent] for step in schedule.steps]
    waves = [step.task.wave if step.task is not None else 1 for step in schedule.steps]
    return _expected(schedule, given, parallel, waves, edges)


def list_schedule(schedule: Schedule, parallel: int, edges: Edges = NO_EDGES) -> list[Slot]:
    """Return when each task should run without waves, at the agent of the schedule or whoever is free."""
    number = {agent: place for place, agent in enumerate(schedule.plan.agents)}
    given = [number[step.agent] if step.task and step.task.scheduled else None for step in schedule.steps]
    return _expected(schedule, given, parallel, None, edges)


def _expected(
    schedule: Schedule,
    given: Sequence[int | None],
    parallel: int,
    waves: Sequence[int] | None,
    edges: Edges,
) -> list[Slot]:
    seconds = [seconds_of(step) for step in schedule.steps]
    waits = [tuple({*before, *edges.get(place, ())}) for place, before in enumerate(schedule.after)]
    return expected(seconds, waits, given, _hands(schedule), waves=waves, parallel=parallel)


def _hands(schedule: Schedule) -> list[int]:
    return [agent.capacity for agent in schedule.plan.agents.values()]


def loads(schedule: Schedule, parallel: int, edges: Edges = NO_EDGES) -> Iterator[Load]:
    """Yield what each agent is expected to do in each wave."""
    agents = list(schedule.plan.agents)
    members: dict[tuple[int, int], list[Slot]] = {}
    for step, slot in zip(schedule.steps, expectation(schedule, parallel, edges), strict=True):
        assert step.task is not None
        members.setdefault((step.task.wave, slot.agent), []).append(slot)
    for (wave, agent), slots in sorted(members.items()):
        yield Load(
            wave=wave,
            agent=agents[agent],
            tasks=len(slots),
            load_s=round(sum(slot.end - slot.start for slot in slots), 6),
            start_s=round(min(slot.start for slot in slots), 6),
            finish_s=round(max(slot.end for slot in slots), 6),
        )
