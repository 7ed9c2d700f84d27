from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from buddy.core.ordering import Schedule, needs_of
from buddy.model.plan import Agent, Plan, Prediction, ScheduleKind
from unit.core.plans import plan, step, tool

TOOLS = "tuvw"
NEEDS = {"u": ("t",), "v": ("u",), "w": ("t", "gone")}


def asks(needs: dict[str, tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    return lambda name: needs.get(name, ())


def nothing(name: str) -> tuple[str, ...]:
    return ()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Plan, dict[str, tuple[str, ...]]]:
    """Plans without cycles in an execution order that need not fit, and an acyclic graph of tools."""
    size = draw(st.integers(0, 9))
    rank = draw(st.permutations(range(size)))
    steps = []
    for place in range(size):
        before = [f"s{other}" for other in range(size) if rank[other] < rank[place]]
        needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
        steps.append(step(f"s{place}", draw(st.sampled_from(TOOLS)), draw(st.sampled_from("abc")), *needs))
    agents = {name: Agent(capacity=draw(st.sampled_from([1, 3]))) for name in "ab"}
    chain = not any(one.depends_on for one in steps) and draw(st.booleans())
    return plan(*steps, chain=chain, **agents), draw(st.sampled_from([{}, NEEDS]))


def leads(schedule: Schedule, earlier: int, later: int) -> bool:
    return any(source == earlier or leads(schedule, earlier, source) for source in schedule.after[later])


@given(graphs())
def test_a_schedule_is_a_topological_order(graph: tuple[Plan, dict[str, tuple[str, ...]]]) -> None:
    given_plan, needs = graph
    schedule = Schedule(given_plan, asks(needs))
    assert len(schedule) == len(given_plan.steps)
    assert sorted(one.step_id for one in schedule.steps) == sorted(one.step_id for one in given_plan.steps)
    for place, one in enumerate(schedule.steps):
        assert schedule.index[one.step_id] == place
        assert set(schedule.needs[place]) == {schedule.index[name] for name in one.depends_on}
        assert all(source < place for source in schedule.after[place])
        assert all(leads(schedule, source, place) for source in schedule.needs[place])


@given(graphs())
def test_ordered_agrees_with_every_path(graph: tuple[Plan, dict[str, tuple[str, ...]]]) -> None:
    given_plan, needs = graph
    schedule = Schedule(given_plan, asks(needs))
    for later in range(len(schedule)):
        for earlier in range(later):
            assert schedule.ordered(earlier, later) is leads(schedule, earlier, later), (earlier, later)


@given(graphs())
def test_what_does_one_thing_at_a_time_keeps_its_order(
    graph: tuple[Plan, dict[str, tuple[str, ...]]],
) -> None:
    given_plan, needs = graph
    schedule = Schedule(given_plan, asks(needs))
    for agent in {one.agent for one in given_plan.steps}:
        places = [place for place, one in enumerate(schedule.steps) if one.agent == agent]
        capacity = given_plan.agents.get(agent, Agent()).capacity
        if given_plan.chain or capacity == 1:
            assert all(leads(schedule, *pair) for pair in pairwise(places))


@given(graphs())
def test_a_tool_comes_after_what_it_needs_unless_the_plan_forbids_it(
    graph: tuple[Plan, dict[str, tuple[str, ...]]],
) -> None:
    given_plan, needs = graph
    schedule = Schedule(given_plan, asks(needs))
    impossible = {place for place, _ in schedule.impossible}
    for place, one in enumerate(schedule.steps):
        for needed in needs.get(one.tool, ()):
            present = [other for other, each in enumerate(schedule.steps) if each.tool == needed]
            if present and place not in impossible:
                assert present[0] < place
    if schedule.impossible:
        assert any(one.depends_on for one in given_plan.steps), "tools alone never ask for a circle"


@given(graphs())
def test_the_same_plan_gives_the_same_schedule(graph: tuple[Plan, dict[str, tuple[str, ...]]]) -> None:
    one, other = (Schedule(graph[0], asks(graph[1])) for _ in range(2))
    assert (one.steps, one.after, one.needs, one.moved, one.impossible) == (
        other.steps, other.after, other.needs, other.moved, other.impossible,
    )  # fmt: skip


def ids(schedule: Schedule) -> list[str]:
    return [one.step_id for one in schedule.steps]


def test_a_chain_follows_its_order() -> None:
    schedule = Schedule(plan(step("a"), step("b", "set", "bob"), step("c"), chain=True), nothing)
    assert schedule.after == [(), (0,), (1,)]
    assert schedule.needs == [(), (), ()]
    assert schedule.ordered(0, 2)
    assert schedule.moved == []


def test_a_step_that_stands_before_its_source_moves_and_nothing_else_does() -> None:
    steps = [
        step("a", "set", "ann", "d"),
        step("b", "set", "bob"),
        step("c", "set", "cid"),
        step("d", "set", "dan"),
    ]
    schedule = Schedule(plan(*steps), nothing)
    assert ids(schedule) == ["b", "c", "d", "a"]
    assert schedule.moved == [(3, 2)]
    assert schedule.needs == [(), (), (), (2,)]


def test_a_tool_goes_after_the_nearest_call_of_what_it_needs() -> None:
    steps = [step("t1", "t"), step("t2", "t", "bob"), step("u1", "u", "cid"), step("t3", "t", "dan")]
    schedule = Schedule(plan(*steps), asks(NEEDS))
    assert schedule.after[2] == (1,)
    assert schedule.needs[2] == ()
    assert schedule.moved == []


def test_a_tool_that_stands_before_all_of_what_it_needs_moves() -> None:
    schedule = Schedule(
        plan(step("u1", "u"), step("t1", "t", "bob"), step("t2", "t", "cid"), chain=True), asks(NEEDS)
    )
    assert ids(schedule) == ["t1", "u1", "t2"]
    assert schedule.moved == [(1, 0)]


def test_what_a_missing_tool_needs_is_needed() -> None:
    schedule = Schedule(plan(step("v1", "v"), step("t1", "t", "bob")), asks(NEEDS))
    assert ids(schedule) == ["t1", "v1"]
    present = Schedule(plan(step("v1", "v"), step("t1", "t", "bob"), step("u1", "u", "cid")), asks(NEEDS))
    assert ids(present) == ["t1", "u1", "v1"]


def test_a_tool_that_needs_itself_through_others_is_not_its_own_source() -> None:
    schedule = Schedule(
        plan(step("a", "x"), step("b", "x", "bob")), asks({"x": ("gone", "x"), "gone": ("x",)})
    )
    assert schedule.after == [(), ()]


@pytest.mark.parametrize(
    ("needs", "impossible"),
    [
        ({"u": ("t",)}, [("u1", "t1")]),
        ({"u": ("t",), "t": ("z",)}, [("u1", "t1")]),
        ({"t": ("z",)}, []),
    ],
)
def test_what_tools_ask_and_the_plan_forbids_is_told(
    needs: dict[str, tuple[str, ...]], impossible: list[tuple[str, str]]
) -> None:
    steps = [
        step("t1", "t", "ann", "u1"),
        step("u1", "u", "bob"),
        step("z1", "z", "cid"),
        step("y1", "y", "dan", "t1"),
    ]
    schedule = Schedule(plan(*steps), asks(needs))
    assert [(ids(schedule)[one], ids(schedule)[other]) for one, other in schedule.impossible] == impossible
    assert schedule.index["u1"] < schedule.index["t1"] < schedule.index["y1"]
    assert ("t" not in needs) or schedule.index["z1"] < schedule.index["t1"]


def test_the_opposite_of_what_a_tool_asks_is_told_in_a_plan_that_is_in_order() -> None:
    schedule = Schedule(plan(step("u1", "u"), step("t1", "t", "bob", "u1")), asks({"u": ("t",)}))
    assert schedule.impossible == [(0, 1)]
    assert schedule.moved == []


def test_a_cycle_of_the_plan_itself_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="cycle"):
        Schedule(plan(step("a", "set", "ann", "b"), step("b", "set", "ann", "a")), nothing)


def test_an_agent_that_does_several_things_at_once_orders_nothing() -> None:
    steps = [step("a"), step("b"), step("c", "set", "bob", "b")]
    schedule = Schedule(plan(*steps, ann=Agent(capacity=2)), nothing)
    assert schedule.after == [(), (), (1,)]
    assert not schedule.ordered(0, 1)
    assert not schedule.ordered(0, 2)
    assert schedule.ordered(1, 2)


def test_a_path_is_followed_over_every_step_on_it_and_each_only_once() -> None:
    steps = [
        step("a"), step("b", "set", "ann", "a"), step("c", "set", "ann", "a"),
        step("d", "set", "ann", "b", "c"), step("e", "set", "ann", "d"), step("f"),
    ]  # fmt: skip
    schedule = Schedule(plan(*steps, ann=Agent(capacity=3)), nothing)
    assert all(schedule.ordered(0, later) for later in range(1, 5))
    assert schedule.ordered(1, 4)
    assert schedule.ordered(2, 4)
    assert not schedule.ordered(1, 2)
    assert not any(schedule.ordered(earlier, 5) for earlier in range(5))


def test_paths_that_fork_and_join_order_what_lies_before_the_fork() -> None:
    steps = [
        step("a", "set", "ann"), step("b", "set", "bob", "a"), step("c", "set", "cid", "a"),
        step("d", "set", "dan", "b", "c"),
    ]  # fmt: skip
    schedule = Schedule(plan(*steps), nothing)
    assert [schedule.ordered(one, 3) for one in range(3)] == [True] * 3
    assert not schedule.ordered(1, 2)


def test_what_only_follows_a_cycle_keeps_what_its_tools_ask() -> None:
    steps = [
        step("w1", "w", "eve", "free"), step("v1", "v", "dan", "t1"), step("t1", "t", "ann", "u1"),
        step("u1", "u", "bob"), step("free", "z", "cid"),
    ]  # fmt: skip
    schedule = Schedule(plan(*steps), asks({"u": ("t",), "w": ("v",)}))
    assert [(ids(schedule)[one], ids(schedule)[other]) for one, other in schedule.impossible] == [
        ("u1", "t1")
    ]
    order = [schedule.index[name] for name in ("u1", "t1", "v1", "w1")]
    assert order == sorted(order)
    assert schedule.index["free"] < schedule.index["w1"]


def fleet(kind: ScheduleKind, *waves: int) -> Schedule:
    """Tasks of one agent, the last of which needs the first."""
    steps = [
        step(
            f"s{place}",
            "set",
            "ann",
            *(["s0"] if place == len(waves) - 1 else []),
            task=Prediction(rate=1.0, wave=wave),
        )
        for place, wave in enumerate(waves)
    ]
    return Schedule(replace(plan(*steps), fleet=kind), nothing)


def test_the_agents_of_a_fleet_order_nothing_because_tasks_change_hands() -> None:
    schedule = fleet("continuous", 1, 1, 2)
    assert schedule.after == [(), (), (0,)]
    assert not schedule.ordered(0, 1)
    assert not schedule.ordered(1, 2)
    assert schedule.ordered(0, 2)


def test_a_wave_is_ordered_after_those_before_it_without_an_edge() -> None:
    schedule = fleet("waves", 1, 1, 2, 2)
    assert schedule.after == [(), (), (), (0,)]
    later = [pair for pair in combinations(range(4), 2) if schedule.ordered(*pair)]
    assert later == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_needs_are_those_of_the_contract() -> None:
    needed = needs_of({"u": tool("u", depends_on=("t",))}.get)
    assert needed("u") == ("t",)
    assert needed("nobody") == ()
