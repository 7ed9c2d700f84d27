from typing import Any

import pytest

from buddy.core.coordination import Load, expectation, list_schedule, loads, outlook
from buddy.core.fleet import Crew, Predictions, plan_of
from buddy.core.ordering import Schedule
from buddy.core.ranks import Slot
from buddy.journal.events import FleetPlan
from buddy.model.config import ExecutionConfig
from buddy.model.fleet import AssignmentStrategy, PredictedTask, ScheduledTask
from buddy.model.plan import ScheduleKind

AGENTS = ("x", "y", "z")


def task(task_id: str, seconds: float | None, *needs: str) -> PredictedTask:
    return PredictedTask(
        task_id=task_id, predicted_success_rate=0.9, estimated_duration_s=seconds, depends_on=needs
    )


def schedule(
    *tasks: PredictedTask, given: str = "", agents: tuple[str, ...] = AGENTS, kind: ScheduleKind = "waves"
) -> Schedule:
    """The schedule of a fleet; `given` names the agent of each task, in order."""
    scheduled = [
        ScheduledTask(task_id=one.task_id, agent_id=agent) for one, agent in zip(tasks, given, strict=False)
    ]
    files = Predictions(label="f", tasks=dict(enumerate(tasks, 1)), schedule=dict(enumerate(scheduled, 1)))
    return Schedule(plan_of(files, Crew(agents=agents, kind=kind), "p"), lambda tool: ())


def example(**fields: Any) -> Schedule:
    """`a` (3 s) before `c` (4 s), `b` (1 s) beside them; two agents, one of which does `a` and `b`."""
    return schedule(task("a", 3.0), task("b", None), task("c", 4.0, "a"), given="xxy", **fields)


def test_a_fleet_sets_out_with_what_can_be_told_of_it() -> None:
    config = ExecutionConfig(assignment_strategy=AssignmentStrategy.ROUND_ROBIN)
    assert outlook(example(), config, 4) == FleetPlan(
        agents=["x", "y", "z"],
        strategy=AssignmentStrategy.ROUND_ROBIN,
        kind="waves",
        parallel=4,
        critical_path=["a", "c"],
        critical_path_s=7.0,
        work_s=8.0,
        lower_bound_s=7.0,
        expected_s=8.0,
        without_barrier_s=7.0,
    )


def test_a_wave_waits_for_the_last_of_the_one_before_it() -> None:
    assert expectation(example(), 4) == [Slot(0.0, 3.0, 0), Slot(3.0, 4.0, 0), Slot(4.0, 8.0, 1)]


def test_without_waves_whoever_is_free_takes_the_task() -> None:
    slots = [Slot(0.0, 3.0, 0), Slot(0.0, 1.0, 1), Slot(3.0, 7.0, 0)]
    free = (task("a", 3.0), task("b", None), task("c", 4.0, "a"))
    assert list_schedule(schedule(*free), 4) == slots
    assert expectation(schedule(*free, kind="continuous"), 4) == slots
    told = outlook(example(kind="continuous"), ExecutionConfig(), 4)
    assert (told.kind, told.expected_s, told.without_barrier_s) == ("continuous", 7.0, 7.0)


@pytest.mark.parametrize(
    ("parallel", "bound", "seconds", "without"),
    [(1, 6.0, 6.0, 6.0), (2, 3.0, 4.0, 4.0), (3, 2.0, 2.0, 2.0), (9, 2.0, 2.0, 2.0)],
)
def test_no_more_tasks_are_expected_at_once_than_may_be(
    parallel: int, bound: float, seconds: float, without: float
) -> None:
    three = [task(name, 2.0) for name in "abc"]
    for kind in ("waves", "continuous"):
        told = outlook(schedule(*three, kind=kind), ExecutionConfig(), parallel)
        assert (told.lower_bound_s, told.expected_s, told.without_barrier_s) == (bound, seconds, without)


def test_of_a_long_critical_path_the_first_thousand_are_named() -> None:
    chain = [task(f"t{number}", 0.1, *([f"t{number - 1}"] if number else [])) for number in range(1_001)]
    told = outlook(schedule(*chain), ExecutionConfig(), 4)
    assert told.critical_path == [f"t{number}" for number in range(1_000)]
    assert told.critical_path_s == told.work_s == told.expected_s == 100.1


def test_each_agent_of_a_wave_has_its_load() -> None:
    assert list(loads(example(), 4)) == [
        Load(wave=1, agent="x", tasks=2, load_s=4.0, start_s=0.0, finish_s=4.0),
        Load(wave=2, agent="y", tasks=1, load_s=4.0, start_s=4.0, finish_s=8.0),
    ]
    assert list(loads(example(kind="continuous"), 4)) == [
        Load(wave=1, agent="x", tasks=2, load_s=4.0, start_s=0.0, finish_s=4.0),
        Load(wave=2, agent="y", tasks=1, load_s=4.0, start_s=3.0, finish_s=7.0),
    ]


def test_seconds_are_rounded_to_the_microsecond() -> None:
    thirds = [task(name, 0.1) for name in "abc"]
    (load,) = loads(schedule(*thirds, agents=("x",)), 1)
    assert (load.load_s, load.finish_s) == (0.3, 0.3)


def test_what_conflicts_make_wait_is_expected_to_wait() -> None:
    plan = schedule(task("a", 3.0), task("b", 4.0))
    assert [slot.start for slot in expectation(plan, 4)] == [0.0, 0.0]
    assert [slot.start for slot in expectation(plan, 4, {1: [0]})] == [0.0, 3.0]
    assert outlook(plan, ExecutionConfig(), 4, {1: [0]}).without_barrier_s == 7.0
