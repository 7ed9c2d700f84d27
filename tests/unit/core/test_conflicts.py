from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from buddy.core.conflicts import duplicate_strategy, planned_claims
from buddy.core.findings import Findings
from buddy.core.gate import ceiling
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.contract import Rate, ToolContract
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode, Undo
from buddy.model.plan import Agent, Claim, Plan, Reference, Step
from unit.core.plans import config, detect, detector, plan, read, step, tool

SET = tool("set", resources=("r:{r}",))
GET = read("get", resources=("r:{r}",))
SEND = tool("send", undo=Undo.NONE)
TAKEN = {"$from": "get", "path": "/x"}


def of(kind: ConflictType, findings: Findings) -> list[Conflict]:
    return [found for found in findings.conflicts if found.type is kind]


def put(step_id: str, r: Any = "1", v: Any = "x", *needs: str, name: str = "set", **fields: Any) -> Step:
    return step(step_id, name, "ann", *needs, args={"r": r, "v": v}, **fields)


# DUPLICATE_ACTION


def duplicates(*steps: Step, **options: Any) -> list[list[str]]:
    """The steps of each duplicate found in a plan of one agent."""
    tools = [SET, GET, SEND, tool("same", idempotent=True, resources=("r:{r}",))]
    findings, _ = detect(tools, plan(*steps), **options)
    return [[ref.step for ref in found.steps] for found in of(ConflictType.DUPLICATE_ACTION, findings)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([put("a"), put("b")], [["a", "b"]]),
        ([put("a"), put("b"), put("c")], [["a", "b"], ["a", "c"]]),
        ([put("a"), put("b", v="y")], []),
        ([put("a"), put("b", v="y"), put("c")], []),
        ([put("a"), put("b", r="2", v="y"), put("c")], [["a", "c"]]),
        ([put("a"), put("b", v=TAKEN), put("c")], []),
        ([put("a"), put("b", r=TAKEN), put("b2", r=TAKEN), put("c")], [["a", "c"]]),
        ([put("a"), put("b", repeat=True)], []),
        ([put("a", name="same"), put("b", name="same")], []),
        ([put("a", name="get"), put("b", name="get")], []),
        ([put("a"), put("m", v="y", name="same"), put("b")], []),
        ([put("a"), put("b", for_each=Reference(source="get"))], []),
        ([put("a"), put("b", confidence=0.6), put("c")], [["a", "c"]]),
        ([put("a", confidence=0.6), put("b")], []),
        ([put("a", confidence=0.6), put("b", "1", "x", "a")], []),
        ([put("g", name="get", confidence=0.6), put("a", "1", "x", "g"), put("b")], []),
        ([put("a"), put("b"), put("c", "2", "x", "b"), put("d", "2")], [["a", "b"]]),
        ([put("a", estimated_duration_s=99.0), put("b")], []),
        ([put("a", name="nobody"), put("b", name="nobody")], []),
    ],
)
def test_the_same_write_twice_is_a_duplicate(steps: list[Step], expected: list[list[str]]) -> None:
    assert duplicates(*steps) == expected


@pytest.mark.parametrize("settings", [config(Mode.MOCK), config(Mode.DRY_RUN), config(dry_run_only=True)])
def test_only_what_goes_live_is_a_duplicate(settings: Any) -> None:
    assert duplicates(put("a"), put("b"), settings=settings) == []
    assert duplicates(put("a"), put("b"), environment=True) == []


def test_a_duplicate_names_both_steps_and_their_agents() -> None:
    steps = [put("a"), step("b", "set", "bob", "a", args={"v": "x", "r": "1"})]
    findings, _ = detect([SET], plan(*steps))
    (found,) = findings.conflicts
    assert (found.steps, found.agents, found.resource) == (
        (StepRef("p", "a"), StepRef("p", "b")),
        ("ann", "bob"),
        "tool:set",
    )
    assert found.resolution is Strategy.DOWNGRADE
    assert (
        found.reason == "'set' with these arguments is the same action as p/a, with no other write in between"
    )
    assert findings.ceilings[0, 1].mode is Mode.DRY_RUN
    assert findings.ceilings[0, 1].reason == f"c1: {found.reason}"


def test_the_ledger_is_asked_about_earlier_runs() -> None:
    asked = []

    def ledger(digest: str, resources: tuple[str, ...]) -> str:
        asked.append((len(digest), resources))
        return "what run_0 did"

    findings, _ = detect([SET], plan(put("a")), ledger=ledger)
    assert asked == [(32, ("r:1",))]
    assert findings.conflicts[0].steps == (StepRef("p", "a"),)
    assert findings.conflicts[0].agents == ("ann",)
    assert set(findings.ceilings) == {(0, 0)}


def test_duplicates_are_found_across_plans_that_share_a_world() -> None:
    plans = [plan(put("a"), plan_id=name, chain=True) for name in "pq"]
    assert len(of(ConflictType.DUPLICATE_ACTION, detect([SET], *plans)[0])) == 1
    assert detect([SET], *plans, settings=config(isolate=True))[0] == Findings()


@pytest.mark.parametrize("strategy", Strategy)
def test_only_allow_lets_a_duplicate_act(strategy: Strategy) -> None:
    settings = config(strategies={ConflictType.DUPLICATE_ACTION: strategy})
    expected = strategy if strategy in (Strategy.ALLOW, Strategy.ABORT) else Strategy.DOWNGRADE
    assert duplicate_strategy(settings, SET) is expected
    assert duplicate_strategy(settings, SEND) is (
        Strategy.ALLOW if strategy is Strategy.ALLOW else Strategy.ABORT
    )
    findings, _ = detect([SET], plan(put("a"), put("b"), put("c")), settings=settings)
    assert [found.resolution for found in findings.conflicts] == [expected] * 2
    assert (
        findings.is_restricted((0, 1)) is findings.is_restricted((0, 2)) is (strategy is not Strategy.ALLOW)
    )
    first = ["b" if strategy is Strategy.ALLOW else "a"]
    assert [ref.step for ref in findings.conflicts[1].steps][:1] == first


# PERMISSION

GUARDED = tool("set", permissions=("w",), resources=("r:{r}",))
MAY, MAY_NOT = Agent(permissions=("w",)), Agent(permissions=())


def test_a_step_goes_to_the_least_loaded_agent_that_may_do_it() -> None:
    steps = [
        step("a", "set", "ann", args={"r": "1"}),
        step("b", "set", "ann", args={"r": "2"}, estimated_duration_s=0.0),
        step("c", "set", "ann", args={"r": "3"}),
    ]
    findings, (schedule,) = detect([GUARDED], plan(*steps, ann=MAY_NOT, bob=MAY, cid=MAY))
    assert [one.agent for one in schedule.steps] == ["bob", "cid", "cid"]
    assert [one.step_id for one in schedule.steps] == ["a", "b", "c"]
    assert {(found.resolution, found.resource, found.resolved) for found in findings.conflicts} == {
        (Strategy.REASSIGN, "w", True)
    }
    assert findings.conflicts[0].agents == ("ann", "bob")
    assert findings.conflicts[0].reason == "agent 'ann' lacks w for 'set'; 'bob' has it and does the step"
    assert not findings.ceilings
    assert not findings.aborted


@pytest.mark.parametrize(
    ("strategy", "others", "resolution", "reason"),
    [
        (Strategy.REASSIGN, {}, Strategy.DOWNGRADE, "; nobody else has it, so the step is held at MOCK"),
        (Strategy.DOWNGRADE, {"bob": MAY}, Strategy.DOWNGRADE, "; the step is held at MOCK"),
        (Strategy.ALLOW, {"bob": MAY}, Strategy.DOWNGRADE, "; the step is held at MOCK"),
        (Strategy.ABORT, {"bob": MAY}, Strategy.ABORT, "; the step is aborted"),
    ],
)
def test_a_step_that_nobody_else_does_is_held_or_aborted(
    strategy: Strategy, others: dict[str, Agent], resolution: Strategy, reason: str
) -> None:
    settings = config(strategies={ConflictType.PERMISSION: strategy})
    one = plan(step("a", "set", "ann", args={"r": "1"}), ann=MAY_NOT, **others)
    findings, (schedule,) = detect([GUARDED], one, settings=settings)
    (found,) = findings.conflicts
    assert (found.resolution, found.resolved) == (resolution, strategy is Strategy.ABORT)
    assert found.reason == f"agent 'ann' lacks w for 'set'{reason}"
    assert set(findings.aborted) == ({(0, 0)} if strategy is Strategy.ABORT else set())
    assert schedule.steps[0].agent == "ann"
    limit = ceiling(detector([GUARDED]).facts(schedule.steps[0], schedule.plan.agents))
    assert limit is not None
    assert (limit.mode, limit.rule) == (Mode.MOCK, "permission")


def test_the_operator_says_who_may() -> None:
    settings = config(agents={"ann": MAY_NOT, "bob": MAY})
    claimed = plan(step("a", "set", "ann", args={"r": "1"}), ann=MAY, bob=Agent(), eve=MAY)
    _, (schedule,) = detect([GUARDED], claimed, settings=settings)
    assert schedule.steps[0].agent == "bob"


# ORDERING


def test_a_step_before_its_source_is_told_and_waits() -> None:
    steps = [step("a", "get", "ann", "b"), step("b", "get", "bob")]
    findings, (schedule,) = detect([GET], plan(*steps))
    (found,) = findings.conflicts
    assert (found.type, found.resolution, found.resource) == (ConflictType.ORDERING, Strategy.DELAY, "step:b")
    assert [ref.step for ref in found.steps] == ["a", "b"]
    assert found.reason == "'a' stands before 'b', which it depends on"
    assert [one.step_id for one in schedule.steps] == ["b", "a"]


@pytest.mark.parametrize(
    ("strategy", "table"), [(Strategy.ABORT, "aborted"), (Strategy.DOWNGRADE, "ceilings")]
)
def test_what_is_done_about_a_wrong_order_can_be_chosen(strategy: Strategy, table: str) -> None:
    steps = [step("a", "get", "ann", "b"), step("b", "get", "bob")]
    findings, _ = detect([GET], plan(*steps), settings=config(strategies={ConflictType.ORDERING: strategy}))
    assert list(getattr(findings, table)) == [(0, 1)]


def test_what_cannot_be_ordered_is_aborted() -> None:
    tools = [read("t"), read("u", depends_on=("t",))]
    findings, (schedule,) = detect(tools, plan(step("u1", "u"), step("t1", "t", "bob", "u1")))
    (found,) = findings.conflicts
    assert (found.type, found.resolution) == (ConflictType.ORDERING, Strategy.ABORT)
    assert found.reason == "'u1' has a tool that needs 't1' before it, which the plan puts after it"
    assert set(findings.aborted) == {(0, schedule.index["u1"])}


# TIMEOUT


@pytest.mark.parametrize(
    ("estimate", "deadline", "reason"),
    [
        (30.0, None, ""),
        (31.0, None, "the estimate of 31 s exceeds the timeout of 'get', 30 s"),
        (None, 5.0, ""),
        (5.0, 5.0, ""),
        (6.0, 5.0, "it would end 6 s into the run, after the deadline of 5 s"),
        (31.0, 5.0, "the estimate of 31 s exceeds the timeout of 'get', 30 s"),
    ],
)
def test_a_step_that_takes_too_long_is_told(
    estimate: float | None, deadline: float | None, reason: str
) -> None:
    one = plan(step("a", "get", estimated_duration_s=estimate))
    findings, _ = detect([GET], one, settings=config(deadline_s=deadline))
    assert [found.reason for found in findings.conflicts] == [reason] * bool(reason)
    assert bool(findings.ceilings) is bool(reason)


def test_the_deadline_counts_along_the_longest_way() -> None:
    steps = [
        step("a", "get", "ann", estimated_duration_s=3.0),
        step("b", "get", "bob", estimated_duration_s=4.0),
        step("c", "nobody", "cid", "a", "b", estimated_duration_s=3.0),
        step("d", "get", "bob", estimated_duration_s=2.0),
    ]
    found = of(ConflictType.TIMEOUT, detect([GET], plan(*steps), settings=config(deadline_s=6.0))[0])
    assert [(conflict.steps[0].step, conflict.reason[:22]) for conflict in found] == [
        ("c", "it would end 7 s into ")
    ]


# fleets


def fleet(*steps: Step) -> Plan:
    return replace(plan(*steps), fleet="waves")


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.LIVE])
@pytest.mark.parametrize(
    ("confidence", "said"), [(0.7, None), (0.69, "0.69"), (0.0, "0"), (None, "0"), (float("nan"), "nan")]
)
def test_a_task_of_a_fleet_that_nobody_is_sure_of_stays_at_mock(
    mode: Mode, confidence: float | None, said: str | None
) -> None:
    findings, _ = detect([GET], fleet(put("a", name="get", confidence=confidence)), settings=config(mode))
    reason = f"a task of confidence {said} is not assigned above MOCK (confidence_threshold 0.7)"
    assert findings.ceilings == ({(0, 0): Ceiling(Mode.MOCK, "confidence", reason)} if said else {})
    assert findings.conflicts == []


def test_how_sure_one_has_to_be_is_configured() -> None:
    tasks = fleet(put("a", "1", confidence=0.9), put("b", "2", confidence=0.95))
    findings, _ = detect([SET], tasks, settings=config(confidence_threshold=0.95))
    assert [(place, limit.mode) for place, limit in findings.ceilings.items()] == [((0, 0), Mode.MOCK)]
    assert detect([SET], tasks, settings=config(confidence_threshold=0.0))[0].ceilings == {}


def test_who_is_no_fleet_or_goes_no_higher_is_not_asked_how_sure_it_is() -> None:
    unsure = put("a", confidence=0.1)
    assert detect([SET], plan(unsure))[0].ceilings == {}
    assert detect([SET], fleet(unsure), settings=config(Mode.MOCK))[0].ceilings == {}


def test_doubt_stands_above_the_ceiling_of_a_conflict() -> None:
    findings, _ = detect([SET], fleet(put("a", confidence=0.6, estimated_duration_s=99.0)))
    assert [found.type for found in findings.conflicts] == [ConflictType.TIMEOUT]
    assert (findings.ceilings[0, 0].mode, findings.ceilings[0, 0].rule) == (Mode.MOCK, "confidence")


def test_a_task_that_stays_at_mock_writes_nothing_twice() -> None:
    findings, _ = detect([SET], fleet(put("a"), put("b", confidence=0.6)))
    assert of(ConflictType.DUPLICATE_ACTION, findings) == []


# claims


@pytest.mark.parametrize(
    ("contract", "one", "claims"),
    [
        (None, step("a", claims=(Claim("page", "read"),)), (("page", False),)),
        (SET, put("a"), (("r:1", True),)),
        (GET, put("a", name="get"), (("r:1", False),)),
        (SET, put("a", r=TAKEN, claims=(Claim("page"),)), (("page", True),)),
        (SET, put("a", v=TAKEN), (("r:1", True),)),
        (SET, put("a", r={"$item": "/id"}, for_each=Reference(source="get")), ()),
        (SEND, put("a", name="send"), (("tool:send", True),)),
    ],
)
def test_a_step_claims_what_can_be_told_from_the_plan(
    contract: ToolContract | None, one: Step, claims: tuple[tuple[str, bool], ...]
) -> None:
    assert planned_claims(contract, one) == claims


# all of them


def everything() -> Plan:
    steps = [
        step("late", "limited", "bob", "first"),
        step("first", "limited", "ann"),
        put("w1"),
        put("w2"),
        step("w3", "set", "bob", args={"r": "1", "v": "z"}),
        step("guarded", "guarded", "bob"),
        step("slow", "limited", "ann", estimated_duration_s=99.0),
    ]
    return plan(*steps, ann=Agent(), bob=Agent(permissions=()))


def test_all_six_types_are_found_in_one_run_and_always_the_same() -> None:
    limited = read("limited", rate=Rate(calls=2, seconds=1))
    tools = [SET, limited, read("guarded", permissions=("g",))]
    findings, _ = detect(tools, everything())
    assert {found.type for found in findings.conflicts} == set(ConflictType)
    assert [found.conflict_id for found in findings.conflicts] == [
        f"c{n + 1}" for n in range(len(findings.conflicts))
    ]
    assert detect(tools, everything())[0] == findings


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8), st.booleans())
def test_a_chain_of_reads_of_one_agent_has_no_conflicts(resources: list[str], chain: bool) -> None:
    steps = [put(f"s{number}", r, name="get") for number, r in enumerate(resources)]
    assert detect([GET], plan(*steps, chain=chain))[0] == Findings()


def test_a_plan_without_steps_has_nothing_to_find() -> None:
    findings, (schedule,) = detect([], plan())
    assert findings == Findings()
    assert len(schedule) == 0
