from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core.assignment import Work
from buddy.core.fleet import Crew, Predictions, plan_of, rate_of, recalibrated, work_of
from buddy.core.ordering import Schedule
from buddy.errors import BadInput
from buddy.model.fleet import AssignmentStrategy, PredictedTask, ScheduledTask
from buddy.model.plan import Agent, Plan, Prediction, Step

Entries = Sequence[dict[str, Any]]
CREW = Crew(agents=("a0", "a1"))
TASKS, SCHEDULE = "f/predicted_tasks.jsonl", "f/predicted_schedule.jsonl"


def task(name: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": name, "predicted_success_rate": 0.8, "depends_on": needs, **fields}


def told(name: str, agent: str | None = None, wave: int | None = None) -> dict[str, Any]:
    return {"task_id": name, "agent_id": agent, "wave": wave}


def predictions(tasks: Entries, schedule: Entries = ()) -> Predictions:
    """Two files without blank lines."""
    return Predictions(
        label="f",
        tasks=dict(enumerate((msgspec.convert(one, PredictedTask) for one in tasks), 1)),
        schedule=dict(enumerate((msgspec.convert(one, ScheduledTask) for one in schedule), 1)),
    )


def plan(*tasks: dict[str, Any], schedule: Entries = (), crew: Crew = CREW) -> Plan:
    return plan_of(predictions(tasks, schedule), crew, "fleet")


def refusal(tasks: Entries, schedule: Entries = (), crew: Crew = CREW) -> BadInput:
    with pytest.raises(BadInput) as caught:
        plan_of(predictions(tasks, schedule), crew, "fleet")
    return caught.value


def waves(made: Plan) -> dict[str, int]:
    return {step.step_id: prediction(step).wave for step in made.steps}


def agents(made: Plan) -> dict[str, str]:
    return {step.step_id: step.agent for step in made.steps}


def prediction(step: Step) -> Prediction:
    assert step.task is not None
    return step.task


# from a line to a step


def test_a_task_that_says_little_gets_the_defaults() -> None:
    made = plan(task("t"))
    assert made == Plan(
        plan_id="fleet",
        steps=(
            Step(
                step_id="t",
                tool="task",
                agent="a0",
                confidence=0.8,
                group="t",
                task=Prediction(rate=0.8, wave=1),
            ),
        ),
        agents={"a0": Agent(), "a1": Agent()},
        fleet="waves",
        chain=False,
    )


def test_everything_that_a_task_says_reaches_its_step() -> None:
    fields = {
        "tool": "mail.send",
        "args": {"to": {"$from": "u", "path": "/mail"}},
        "confidence": 0.6,
        "complexity": 3.5,
        "priority": -1.0,
        "estimated_duration_s": 2.5,
        "heuristic_id": "h",
        "prediction_id": "p",
        "group": "g",
        "meta": {"any": 1},
    }
    made = plan(task("u"), task("t", "v", **fields), task("v"), schedule=[told("t", "a1", 4)])
    assert made.steps[2] == Step(
        step_id="t",
        tool="mail.send",
        agent="a1",
        args={"to": {"$from": "u", "path": "/mail"}},
        confidence=0.6,
        depends_on=("v", "u"),
        group="g",
        estimated_duration_s=2.5,
        task=Prediction(
            rate=0.8,
            wave=4,
            scheduled=True,
            complexity=3.5,
            priority=-1.0,
            heuristic_id="h",
            prediction_id="p",
        ),
    )


def test_a_rate_has_two_names() -> None:
    assert rate_of(PredictedTask(task_id="t", success_probability=0.0)) == 0.0
    assert rate_of(PredictedTask(task_id="t", predicted_success_rate=0.0, success_probability=0.0)) == 0.0
    made = plan({"task_id": "t", "success_probability": 0.3})
    assert (made.steps[0].confidence, prediction(made.steps[0]).rate) == (0.3, 0.3)


def test_a_plan_says_how_its_fleet_is_scheduled() -> None:
    assert plan(task("t"), crew=Crew(agents=("x",), kind="continuous")).fleet == "continuous"


# waves


def test_without_a_schedule_waves_are_the_levels_of_the_dependencies() -> None:
    made = plan(task("d", "b", "c"), task("c", "b"), task("b", "a"), task("a"), task("z"))
    assert waves(made) == {"a": 1, "z": 1, "b": 2, "c": 3, "d": 4}
    assert [step.step_id for step in made.steps] == ["a", "z", "b", "c", "d"]


def test_the_wave_of_the_schedule_stands_above_that_of_the_task_and_that_above_the_level() -> None:
    made = plan(
        task("a", wave=2),
        task("b", wave=2),
        task("c", "b"),
        task("d"),
        schedule=[told("b", wave=5), told("d")],
    )
    assert waves(made) == {"a": 2, "b": 5, "c": 6, "d": 1}


def test_within_a_wave_a_task_stands_after_what_it_needs_so_that_nothing_contradicts_the_order() -> None:
    made = plan(task("z", "y", wave=2), task("x", wave=2), task("y", wave=2), task("w", wave=1))
    assert [step.step_id for step in made.steps] == ["w", "x", "y", "z"]
    assert Schedule(made, lambda tool: ()).moved == []


@st.composite
def files(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Tasks in any order, without cycles, some of which say a wave that fits."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 9)))]
    least: dict[str, int] = {}
    entries = []
    for place, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=3)) if place else []
        after = [least[source] for source in needs]
        said = max(after, default=1) + draw(st.integers(0, 3)) if draw(st.booleans()) else None
        least[name] = said or 1 + max(after, default=0)
        entries.append(task(name, *needs, wave=said, estimated_duration_s=draw(st.sampled_from([None, 2.0]))))
    return draw(st.permutations(entries))


@given(files(), st.sampled_from(AssignmentStrategy))
def test_tasks_stand_in_waves_behind_what_they_need_and_each_has_an_agent(
    entries: list[dict[str, Any]], strategy: AssignmentStrategy
) -> None:
    made = plan(*entries, crew=Crew(agents=("a0", "a1", "a2"), strategy=strategy))
    by_name = waves(made)
    said = {one["task_id"]: one for one in entries}
    assert sorted(by_name) == sorted(said)
    assert list(by_name.values()) == sorted(by_name.values())
    for name, wave in by_name.items():
        after = max((by_name[source] for source in said[name]["depends_on"]), default=0)
        assert wave == said[name]["wave"] or (said[name]["wave"] is None and wave == after + 1)
    schedule = Schedule(made, lambda tool: ())
    assert (schedule.moved, schedule.impossible) == ([], [])
    assert set(agents(made).values()) <= {"a0", "a1", "a2"}


# agents


def test_turns_go_on_over_waves() -> None:
    crew = Crew(agents=("a0", "a1", "a2"), strategy=AssignmentStrategy.ROUND_ROBIN)
    made = plan(*(task(f"t{number}", wave=1 + number // 2) for number in range(6)), crew=crew)
    assert list(agents(made).values()) == ["a0", "a1", "a2", "a0", "a1", "a2"]


def test_load_is_balanced_wave_by_wave() -> None:
    seconds = {"a": 1.0, "b": 5.0, "c": 3.0, "d": None, "e": 9.0}
    made = plan(
        *(
            task(name, wave=2 if name == "e" else 1, estimated_duration_s=each)
            for name, each in seconds.items()
        )
    )
    # 5 -> a0, 3 -> a1, 1 -> a1, 1 -> a1; the second wave begins with nothing
    assert agents(made) == {"a": "a1", "b": "a0", "c": "a1", "d": "a1", "e": "a0"}


def test_tasks_missing_from_the_schedule_are_assigned_around_those_in_it() -> None:
    made = plan(
        task("a", estimated_duration_s=3.0),
        task("b"),
        task("c"),
        task("d"),
        schedule=[told("a", "a0"), told("b", wave=1)],
    )
    assert agents(made) == {"a": "a0", "b": "a1", "c": "a1", "d": "a1"}
    assert [prediction(step).scheduled for step in made.steps] == [True, False, False, False]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (AssignmentStrategy.PRIORITY_BASED, ["a1", "a1", "a0"]),  # c 0.9 (5 s), b 0.5 (2 s), a 0.2
        (AssignmentStrategy.CONFIDENCE_BASED, ["a0", "a0", "a1"]),  # a 9 (4 s), c 2 (5 s), b 0.2
    ],
)
def test_the_strategy_decides_who_comes_first(strategy: AssignmentStrategy, expected: list[str]) -> None:
    made = plan(
        task("a", confidence=0.2, complexity=9.0, estimated_duration_s=4.0),
        task("b", confidence=0.5, estimated_duration_s=2.0),
        task("c", confidence=0.9, complexity=2.0, estimated_duration_s=5.0),
        crew=Crew(agents=("a0", "a1"), strategy=strategy),
    )
    assert list(agents(made).values()) == expected


# what assignment knows


@pytest.mark.parametrize(
    ("confidence", "complexity", "error", "expected"),
    [
        (0.625, None, 0.0, (0.625, 0.25)),
        (None, None, 0.0, (0.75, 0.25)),
        (0.625, 4.0, 0.0, (0.625, 4.0)),
        (0.625, None, 0.25, (0.375, 0.5)),
        (None, None, 0.25, (0.5, 0.5)),
        (0.625, 0.0, 0.25, (0.375, 0.0)),
    ],
)
def test_a_task_is_as_sure_as_said_else_as_predicted_less_the_error_measured(
    confidence: float | None, complexity: float | None, error: float, expected: tuple[float, float]
) -> None:
    step = Step(
        step_id="t",
        tool="x",
        agent="a",
        confidence=confidence,
        task=Prediction(rate=0.75, wave=1, complexity=complexity, priority=2.0),
    )
    assert work_of(3, step, error) == Work(3, 1.0, *expected, "x", 2.0)
    plain = Step(step_id="t", tool="x", agent="a", task=Prediction(rate=0.75, wave=1))
    assert work_of(3, plain).priority == 0.0


@pytest.mark.parametrize(
    ("rate", "error", "expected"),
    [(0.75, 0.25, 0.5), (0.75, -0.125, 0.875), (0.1, 0.5, 0.0), (0.9, -0.5, 1.0)],
)
def test_a_rate_is_corrected_by_the_measured_error(rate: float, error: float, expected: float) -> None:
    assert recalibrated(rate, error) == expected


# what can be wrong

LONG = "x" * 1_000_001


@pytest.mark.parametrize(
    ("tasks", "sentences"),
    [
        ([], [": expected at least one task, found none"]),
        (
            [task("a"), task("b"), task("a")],
            [" line 3: task_id: expected an id of its own, found 'a', which line 1 has too"],
        ),
        ([{"task_id": "a"}], [" line 1: expected a predicted_success_rate, found none"]),
        (
            [task("a", success_probability=0.75)],
            [" line 1: success_probability: expected 0.8, as predicted_success_rate, found 0.75"],
        ),
        ([task("a"), task("b", "c", "a")], [" line 2: depends_on: expected the id of a task, found 'c'"]),
        (
            [task("a", args={"x": {"$from": "gone"}})],
            [" line 1: depends_on: expected the id of a task, found 'gone'"],
        ),
        (
            [task("a#1", group="g\n")],
            [
                " line 1: id 'a#1': expected an id without '[', ']', '#', control or invisible characters",
                " line 1: id 'g\\n': expected an id without '[', ']', '#', control or invisible characters",
            ],
        ),
        (
            [task("a", args={"x": {"$item": "/id"}, "y": LONG})],
            [
                " line 1: steps.a.args.x: expected 'for_each' on a step that uses $item, found none",
                " line 1: steps.a.args.y: expected at most 1,000,000 characters, found 1,000,001",
            ],
        ),
        ([task("a", "a")], [": depends_on: expected no cycle, found 'a' -> 'a'"]),
        (
            [task("z", "b"), task("a", "c"), task("b", "a"), task("c", "b")],
            [": depends_on: expected no cycle, found 'b' -> 'a' -> 'c' -> 'b'"],
        ),
        (
            [task("a", args={"x": {"$from": "b"}}), task("b", "a")],
            [": depends_on: expected no cycle, found 'a' -> 'b' -> 'a'"],
        ),
        (
            [task("a", "b", wave=2), task("b", wave=3)],
            [" line 1: wave: expected at least 3, that of 'b', which it depends on, found 2"],
        ),
    ],
)
def test_a_wrong_task_is_refused_with_its_line(tasks: list[dict[str, Any]], sentences: list[str]) -> None:
    assert refusal(tasks).problems == tuple(f"{TASKS}{sentence}" for sentence in sentences)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (told("c"), "task_id: expected a task of predicted_tasks.jsonl, found 'c'"),
        (told("a", "a0"), "task_id: expected each task once, found 'a' as on line 1"),
        (told("b", "a2"), "agent_id: expected one of a0, a1, found 'a2'"),
    ],
)
def test_a_wrong_entry_of_the_schedule_is_refused_with_its_line(entry: dict[str, Any], sentence: str) -> None:
    refused = refusal([task("a"), task("b")], [told("a"), entry])
    assert refused.problems == (f"{SCHEDULE} line 2: {sentence}",)


def test_a_wave_of_the_schedule_before_that_of_a_dependency_is_refused() -> None:
    (sentence,) = refusal([task("a"), task("b", "a")], [told("a", wave=2), told("b", wave=1)]).problems
    assert sentence == (
        f"{TASKS} line 2: wave: expected at least 2, that of 'a', which it depends on, found 1"
    )


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, ", ...")])
def test_of_many_agents_the_first_are_named(count: int, more: str) -> None:
    crew = Crew(agents=tuple(f"a{number}" for number in range(count)))
    (sentence,) = refusal([task("a")], [told("a", "x")], crew).problems
    assert sentence.endswith(f"expected one of a0, a1, a2, a3, a4, a5, a6, a7{more}, found 'x'")


def test_of_a_long_cycle_the_beginning_is_shown_and_a_very_long_one_takes_no_time() -> None:
    count = 20_000
    (sentence,) = refusal(
        [task(f"t{number}", f"t{(number + 1) % count}") for number in range(count)]
    ).problems
    shown = " -> ".join(f"'t{number}'" for number in range(10))
    assert sentence == f"{TASKS}: depends_on: expected no cycle, found {shown} -> ..."


def test_problems_of_both_files_are_reported_together() -> None:
    refused = refusal([task("a", "c"), {"task_id": "b"}], [told("d"), told("a", "x")])
    assert [one.split(": expected")[0] for one in refused.problems] == [
        f"{TASKS} line 1: depends_on",
        f"{TASKS} line 2",
        f"{SCHEDULE} line 1: task_id",
        f"{SCHEDULE} line 2: agent_id",
    ]


def test_the_first_hundred_problems_are_listed_and_the_rest_counted() -> None:
    refused = refusal([{"task_id": f"t{number}"} for number in range(120)])
    assert (len(refused.problems), refused.omitted) == (100, 20)
    assert refused.problems[99] == f"{TASKS} line 100: expected a predicted_success_rate, found none"


def test_the_id_of_the_plan_is_checked_like_any_other() -> None:
    with pytest.raises(BadInput, match="plan_id: expected an id"):
        plan_of(predictions([task("a")]), CREW, "a[0]")


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_arguments_that_are_too_deep_are_refused_before_anybody_walks_them() -> None:
    (sentence,) = refusal([task("a", args=nested(3_000))]).problems
    assert sentence == f"{TASKS} line 1: args: expected at most 100 nested levels, found more"
    assert plan(task("a", args=nested(100))).steps[0].args == nested(100)


def test_larger_priorities_stand_first_in_their_wave_as_far_as_dependencies_allow() -> None:
    found = plan(
        task("low", priority=-1.0),
        task("plain"),
        task("needs_low", "low", priority=9.0, wave=1),
        task("high", priority=2.0),
        task("late", "high", priority=99.0),
    )
    assert [step.step_id for step in found.steps] == ["high", "plain", "low", "needs_low", "late"]
