import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core.findings import Findings, Place
from buddy.core.ordering import Schedule
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.plan import Agent, Claim, Plan, Step
from unit.core.plans import config, detect, plan, read, step, tool

TOOLS = [tool("set", resources=("r:{r}",)), read("get", resources=("r:{r}",))]


def use(step_id: str, name: str, agent: str, *needs: str, r: str = "1") -> Step:
    return step(step_id, name, agent, *needs, args={"r": r, "by": step_id})


@st.composite
def fleets(draw: st.DrawFn) -> list[Plan]:
    plans = []
    for ordinal in range(draw(st.integers(1, 2))):
        steps: list[Step] = []
        for number in range(draw(st.integers(0, 7))):
            before = [one.step_id for one in steps]
            needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
            name, agent, resource = (draw(st.sampled_from(some)) for some in (["set", "get"], "abc", "12"))
            steps.append(use(f"s{number}", name, agent, *needs, r=resource))
        agents = {"a": Agent(capacity=draw(st.sampled_from([1, 2])))}
        plans.append(plan(*steps, plan_id=f"p{ordinal}", **agents))
    return plans


def before(place: Place, findings: Findings, schedules: list[Schedule]) -> set[Place]:
    """Every place that has to settle before this one, conflicts' edges included."""
    found: set[Place] = set()
    stack = [place]
    while stack:
        ordinal, at = stack.pop()
        direct = [(ordinal, source) for source in schedules[ordinal].after[at]]
        for one in [*direct, *findings.edges.get((ordinal, at), [])]:
            if one not in found:
                found.add(one)
                stack.append(one)
    return found


def uses(schedules: list[Schedule]) -> list[tuple[Place, Step]]:
    return [
        ((ordinal, at), one) for ordinal, each in enumerate(schedules) for at, one in enumerate(each.steps)
    ]


@given(fleets())
def test_the_schedule_that_runs_never_lets_incompatible_accesses_overlap(plans: list[Plan]) -> None:
    findings, schedules = detect(TOOLS, *plans)
    every = uses(schedules)
    for number, (later, one) in enumerate(every):
        settled = before(later, findings, schedules)
        assert all(place < later for place in settled)
        for earlier, other in every[:number]:
            if one.args["r"] == other.args["r"] and "set" in (one.tool, other.tool):
                assert earlier in settled


@given(fleets())
def test_a_conflict_is_told_exactly_where_nothing_orders_two_agents(plans: list[Plan]) -> None:
    findings, schedules = detect(TOOLS, *plans)
    every = uses(schedules)
    rivals: set[str] = set()
    for number, (later, one) in enumerate(every):
        for earlier, other in every[:number]:
            apart = earlier[0] != later[0] or (
                one.agent != other.agent and earlier not in before(later, Findings(), schedules)
            )
            if apart and one.args["r"] == other.args["r"] and "set" in (one.tool, other.tool):
                rivals.add(f"r:{one.args['r']}")
    told = [found for found in findings.conflicts if found.type is ConflictType.RESOURCE]
    assert len(told) == len({found.resource for found in told})
    assert {found.resource for found in told} <= rivals
    if all(agent.capacity == 1 for each in plans for agent in each.agents.values()):
        assert {found.resource for found in told} == rivals


@given(fleets())
def test_the_same_plans_give_the_same_findings(plans: list[Plan]) -> None:
    assert detect(TOOLS, *plans)[0] == detect(TOOLS, *plans)[0]


def test_one_conflict_lists_all_that_use_the_resource_in_order() -> None:
    steps = [
        use("w1", "set", "ann"),
        use("r1", "get", "bob"),
        use("r2", "get", "cid"),
        use("w2", "set", "dan"),
    ]
    findings, _ = detect(TOOLS, plan(*steps))
    (found,) = findings.conflicts
    assert [ref.step for ref in found.steps] == ["w1", "r1", "r2", "w2"]
    assert (found.agents, found.resource, found.resolution) == (
        ("ann", "bob", "cid", "dan"),
        "r:1",
        Strategy.DELAY,
    )
    assert found.reason == "4 steps use it, 2 of them write, and nothing orders them"
    assert findings.edges == {(0, 1): [(0, 0)], (0, 2): [(0, 0)], (0, 3): [(0, 1), (0, 2)]}


@pytest.mark.parametrize(
    "quiet",
    [
        plan(use("a", "get", "ann"), use("b", "get", "bob")),
        plan(use("a", "set", "ann"), use("b", "set", "ann")),
        plan(use("a", "set", "ann"), use("b", "set", "bob", r="2")),
        plan(use("a", "set", "ann"), use("b", "set", "bob", "a")),
        plan(use("a", "set", "ann"), use("b", "set", "bob"), chain=True),
        plan(use("a", "set", "ann"), use("x", "get", "ann", r="9"), use("b", "set", "bob", "x")),
    ],
)
def test_where_the_plan_orders_the_steps_there_is_no_conflict(quiet: Plan) -> None:
    findings, _ = detect(TOOLS, quiet)
    assert findings == Findings()


def test_an_agent_with_several_hands_is_held_to_its_own_order_without_a_conflict() -> None:
    findings, _ = detect(TOOLS, plan(use("a", "set", "ann"), use("b", "set", "ann"), ann=Agent(capacity=2)))
    assert findings.conflicts == []
    assert findings.edges == {(0, 1): [(0, 0)]}


def test_plans_are_in_each_others_way_unless_they_share_no_world() -> None:
    chains = [plan(use(f"{name}1", "set", "ann"), plan_id=name, chain=True) for name in "pq"]
    findings, _ = detect(TOOLS, *chains)
    assert findings.edges == {(1, 0): [(0, 0)]}
    assert [str(ref) for ref in findings.conflicts[0].steps] == ["p/p1", "q/q1"]
    assert detect(TOOLS, *chains, cross=False)[0] == Findings()
    assert detect(TOOLS, *chains, settings=config(isolate=True))[0] == Findings()


def test_a_plan_alone_is_looked_at_too() -> None:
    rivals = plan(use("a", "set", "ann"), use("b", "set", "bob"))
    assert len(detect(TOOLS, rivals, cross=False)[0].conflicts) == 1


def test_claims_of_the_plan_add_to_those_of_the_contract() -> None:
    page = (Claim("page", "write"),)
    steps = [
        step("a", "get", "ann", args={"r": "1"}, claims=page),
        step("b", "get", "bob", args={"r": "1"}, claims=page),
    ]
    (found,) = detect(TOOLS, plan(*steps))[0].conflicts
    assert found.resource == "page"


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_is_applied(strategy: Strategy) -> None:
    rivals = plan(use("a", "set", "ann"), use("b", "set", "bob"))
    findings, _ = detect(TOOLS, rivals, settings=config(strategies={ConflictType.RESOURCE: strategy}))
    assert findings.conflicts[0].resolution is strategy
    assert findings.edges == ({(0, 1): [(0, 0)]} if strategy in (Strategy.DELAY, Strategy.REASSIGN) else {})
    assert set(findings.ceilings) == ({(0, 1)} if strategy is Strategy.DOWNGRADE else set())
    assert set(findings.aborted) == ({(0, 1)} if strategy is Strategy.ABORT else set())


@pytest.mark.parametrize("shared", [100, 1])
def test_detection_is_linear_in_steps(shared: int) -> None:
    """One step in a hundred, or every one, is in another's way; four times the steps are no tenfold work."""

    def seconds(size: int) -> float:
        steps = [
            use(f"s{at}", "set", f"a{at % 8}", r="1" if at % shared == 0 else f"r{at}") for at in range(size)
        ]
        many = plan(*steps)
        best = 1e9
        for _ in range(2):
            started = time.process_time()
            findings, _ = detect(TOOLS, many)
            best = min(best, time.process_time() - started)
        (found,) = findings.conflicts
        assert found.step_count == -(-size // shared)
        return best

    assert seconds(16_000) / seconds(4_000) < 10
