from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core import planning
from buddy.errors import BadInput
from buddy.model.plan import Claim, Plan, PlanDocument, Reference, Step, StepDocument

NO_ID = "expected an id without '[', ']', '#', control or invisible characters"


def document(**fields: Any) -> PlanDocument:
    return msgspec.convert(
        {"agent_assignments": {"agent1": list(fields.get("steps", {}))}, **fields}, PlanDocument
    )


def plan(**fields: Any) -> Plan:
    return planning.plan_of(document(**fields), "plan.json", "plan:1")


def refusal(**fields: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        plan(**fields)
    return caught.value


def problems(**fields: Any) -> tuple[str, ...]:
    told = refusal(**fields).problems
    assert all(one.startswith("plan.json: ") for one in told)
    return tuple(one.removeprefix("plan.json: ") for one in told)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_the_plan_of_the_documents_is_a_chain_of_bare_tools() -> None:
    made = plan(
        plan_id="plan_1",
        agent_assignments={"agent1": ["find", "fill"], "agent2": ["click"]},
        execution_order=["find", "fill", "click"],
        confidence_scores={"find": 0.8, "click": 0.9},
    )
    assert made.plan_id == "plan_1"
    assert made.chain
    assert [(step.step_id, step.tool, step.agent, step.confidence) for step in made.steps] == [
        ("find", "find", "agent1", 0.8),
        ("fill", "fill", "agent1", None),
        ("click", "click", "agent2", 0.9),
    ]


def test_every_field_of_an_entry_reaches_its_step() -> None:
    entry = {
        "tool": "form_fill",
        "args": {"value": {"$from": "find", "path": "/a"}, "item": {"$item": ""}},
        "confidence": 0.75,
        "depends_on": ["click", "find"],
        "claims": [{"resource": "page:1", "access": "read"}],
        "group": "form",
        "repeat": True,
        "estimated_duration_s": 1.5,
        "for_each": {"$from": "list", "path": "/contacts"},
        "max_items": 7,
    }
    made = plan(steps={"find": {}, "list": {}, "click": {}, "fill": entry})
    assert not made.chain
    assert made.steps[3] == Step(
        step_id="fill",
        tool="form_fill",
        agent="agent1",
        args=entry["args"],
        confidence=0.75,
        depends_on=("click", "find", "list"),
        claims=(Claim("page:1", "read"),),
        group="form",
        repeat=True,
        estimated_duration_s=1.5,
        for_each=Reference("list", "/contacts"),
        max_items=7,
    )


def test_what_a_plan_says_of_itself_is_kept() -> None:
    made = plan(
        order="parallel",
        on_failure="continue",
        meta={"a": 1},
        agents={"agent1": {"capacity": 2}},
        steps={"find": {}},
        validation_results={"find": {"passed": True}},
    )
    assert (made.plan_id, made.chain, made.on_failure, made.meta) == ("plan:1", False, "continue", {"a": 1})
    assert made.agents["agent1"].capacity == 2
    assert made.validation_results["find"].passed


@pytest.mark.parametrize(
    "ids", [{"phase21_plan_id": "p"}, {"plan_id": "p", "phase21_plan_id": "p"}, {"plan_id": "p"}]
)
def test_either_name_of_the_id_will_do(ids: dict[str, str]) -> None:
    assert plan(**ids).plan_id == "p"


def test_a_plan_without_steps_is_valid() -> None:
    assert plan().steps == ()


@pytest.mark.parametrize(
    ("order", "assigned", "expected"),
    [
        (["a", "a"], {"x": ["a", "a"]}, [("a", "x"), ("a#2", "x")]),
        (["a", "b", "a"], {"x": ["a", "b"]}, [("a", "x"), ("b", "x"), ("a#2", "x")]),
        (["a"], {"x": ["a"], "y": ["a"]}, [("a", "x"), ("a#2", "y")]),
        (
            ["a", "b"],
            {"x": ["a", "a", "b"], "y": ["a"]},
            [("a", "x"), ("a#2", "x"), ("a#3", "y"), ("b", "x")],
        ),
        (["a", "a", "a"], {"x": ["a"], "y": ["a"]}, [("a", "x"), ("a#2", "y"), ("a#3", "y")]),
    ],
)
def test_a_bare_name_listed_again_is_another_call(
    order: list[str], assigned: dict[str, list[str]], expected: list[tuple[str, str]]
) -> None:
    made = plan(execution_order=order, agent_assignments=assigned)
    assert [(step.step_id, step.agent) for step in made.steps] == expected
    assert {step.tool for step in made.steps} == set(order)


def test_an_entry_may_name_its_agent_and_its_confidence_in_both_places() -> None:
    made = plan(
        agent_assignments={"x": ["b"]},
        confidence_scores={"b": 0.5},
        steps={"a": {"agent": "y"}, "b": {"agent": "x", "confidence": 0.5}},
    )
    assert [step.agent for step in made.steps] == ["y", "x"]
    assert [step.confidence for step in made.steps] == [None, 0.5]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"plan_id": "a", "phase21_plan_id": "b"}, "phase21_plan_id: expected the plan_id 'a', found 'b'"),
        (
            {"steps": {"a": {}}, "execution_order": ["a", "a"]},
            "execution_order: step 'a' is listed 2 times, expected once",
        ),
        (
            {"steps": {"a": {}}, "execution_order": [], "agent_assignments": {}},
            "steps.a: expected its id in execution_order, which does not list it",
        ),
        (
            {"agent_assignments": {"x": ["a"]}},
            "agent_assignments.x: expected ids of steps, found unknown 'a'",
        ),
        (
            {"steps": {"a": {}}, "agent_assignments": {"x": ["a"], "y": ["a"]}},
            "agent_assignments: step 'a' is assigned 2 times, expected once",
        ),
        ({"confidence_scores": {"a": 1}}, "confidence_scores: expected ids of steps, found unknown 'a'"),
        (
            {"validation_results": {"a": {"passed": True}}},
            "validation_results: expected ids of steps, found unknown 'a'",
        ),
        (
            {"steps": {"a": {}}, "agent_assignments": {}},
            "step 'a': expected an agent in agent_assignments, found none",
        ),
        (
            {"steps": {"a": {"agent": "y"}}},
            "steps.a.agent: expected the agent of agent_assignments, 'agent1', found 'y'",
        ),
        (
            {"steps": {"a": {"confidence": 0.5}}, "confidence_scores": {"a": 0.25}},
            "steps.a.confidence: expected the value of confidence_scores, 0.25, found 0.5",
        ),
        (
            {"steps": {"a": {"args": {"b": [{"$item": "/x"}]}}}},
            "steps.a.args.b.0: expected 'for_each' on a step that uses $item, found none",
        ),
        (
            {"steps": {"a": {}, "b": {"args": {"v": {"$from": "a", "path": 3}}}}},
            "steps.b.args.v.path: expected a string, found 3",
        ),
        (
            {"steps": {"a": {}, "b": {"args": {"v": {"$from": "a", "path": "x"}}}}},
            "steps.b.args.v.path: expected a JSON Pointer such as '/contacts/0/email', found 'x'",
        ),
        (
            {"steps": {"a": {}, "b": {"for_each": {"$from": "a", "path": "x"}}}},
            "steps.b.for_each.path: expected a JSON Pointer, found 'x'",
        ),
        (
            {"steps": {"a": {"args": {"b": [0, {"c": "x" * 1_000_001}]}}}},
            "steps.a.args.b[1].c: expected at most 1,000,000 characters, found 1,000,001",
        ),
        (
            {"steps": {"a": {"depends_on": ["b"]}}},
            "step 'a': expected to depend on or take data from known steps, found 'b', which does not exist",
        ),
        (
            {"steps": {"a": {"args": {"v": {"$from": "b"}}}}},
            "step 'a': expected to depend on or take data from known steps, found 'b', which does not exist",
        ),
        (
            {"steps": {"a": {"depends_on": ["b"]}, "b": {"depends_on": ["a"]}}},
            "steps: expected no cycle of dependencies, found a -> b -> a",
        ),
        ({"steps": {"a": {"args": nested(101)}}}, "steps.a: expected at most 100 nested levels, found more"),
        ({"steps": {"a": {"meta": nested(101)}}}, "steps.a: expected at most 100 nested levels, found more"),
        ({"meta": nested(101)}, "meta: expected at most 100 nested levels, found more"),
    ],
)
def test_a_refusal_says_place_expected_and_found(fields: dict[str, Any], sentence: str) -> None:
    assert problems(**fields) == (sentence,)


@pytest.mark.parametrize("levels", [1, 99, 100])
def test_nesting_up_to_the_limit_is_read(levels: int) -> None:
    args = nested(levels)
    assert plan(steps={"a": {"args": args}}, meta=args).steps[0].args == args


@pytest.mark.parametrize("name", ["a[0]", "a]", "a#2", "a\n", "a\x7f", "\u202ea", "\u2028"])
@pytest.mark.parametrize(
    "where", ["plan", "step", "agent", "entry agent", "depends", "group", "for_each", "agents"]
)
def test_an_id_that_could_be_mistaken_is_refused_wherever_it_stands(name: str, where: str) -> None:
    fields: dict[str, Any] = {
        "plan": {"plan_id": name},
        "step": {"steps": {name: {}}},
        "agent": {"steps": {"a": {}}, "agent_assignments": {name: ["a"]}},
        "entry agent": {"steps": {"a": {"agent": name}}, "agent_assignments": {}},
        "depends": {"execution_order": [name, "a"], "steps": {"a": {"depends_on": [name]}}},
        "group": {"steps": {"a": {"group": name}}},
        "for_each": {"execution_order": [name, "a"], "steps": {"a": {"for_each": {"$from": name}}}},
        "agents": {"agents": {name: {}}},
    }[where]
    assert any(
        one == f"id {name!r}: expected an id without '[', ']', '#', control or invisible characters"
        for one in problems(**fields)
    )
    assert all(one.isprintable() for one in problems(**fields))


def test_names_that_cannot_be_shown_as_they_are_are_quoted_in_paths() -> None:
    told = problems(steps={"a\x1b[2J": {"confidence": 0.5}}, confidence_scores={"a\x1b[2J": 0.1})
    assert "steps.'a\\x1b[2J'.confidence: expected the value of confidence_scores, 0.1, found 0.5" in told


def test_the_first_hundred_problems_are_listed_and_the_rest_counted() -> None:
    refused = refusal(steps={f"s{number}": {} for number in range(250)}, agent_assignments={})
    assert len(refused.problems) == 100
    assert refused.omitted == 150
    assert str(refused).endswith("... and 150 more")


def test_problems_of_different_kinds_are_reported_together_in_the_order_of_the_document() -> None:
    told = problems(
        plan_id="a#",
        steps={"a": {"depends_on": ["zz"]}, "b": {"args": {"v": {"$item": 1}}}},
        agent_assignments={},
    )
    assert [one.split(":")[0] for one in told] == [
        "id 'a#'",
        "steps.b.args.v",
        "steps.b.args.v.$item",
        "step 'a'",
        "step 'b'",
        "step 'a'",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 56}..."),
        (None, "None"),
        ([1] * 90, None),
    ],
)
def test_a_value_is_shown_on_one_short_line(value: object, text: str | None) -> None:
    assert planning.shown(value) == (text or f"{repr(value)[:57]}...")
    assert len(planning.shown("\n" * 1_000_000)) == 60


def made(*steps: Step, **fields: Any) -> Plan:
    return Plan(plan_id=fields.pop("plan_id", "p"), steps=steps, **fields)


def step(step_id: str = "a", **fields: Any) -> Step:
    return Step(step_id=step_id, tool="t", agent="x", **fields)


@pytest.mark.parametrize(
    ("name", "group", "args", "sentences"),
    [
        ("t", "g", {"x": {"$from": "u", "path": "/y"}}, []),
        ("t", "t", nested(101), ["args: expected at most 100 nested levels, found more"]),
        ("a]", "a]", {}, [f"id 'a]': {NO_ID}"]),
        ("a", "\u202e", {}, [f"id '\\u202e': {NO_ID}"]),
        ("t", None, {"x": {"$from": 1}}, ["steps.t.args.x.$from: expected a string, found 1"]),
    ],
)
def test_a_call_on_its_own_is_checked(
    name: str, group: str | None, args: dict[str, Any], sentences: list[str]
) -> None:
    assert list(planning.call_problems(name, args, group)) == sentences


def test_a_good_plan_made_in_python_is_returned() -> None:
    good = made(
        step(), step("b[0]", depends_on=("a",), args={"v": {"$from": "a"}}, confidence=0.5), step("a#2")
    )
    assert planning.checked(good, "plan 1") is good


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (
            made(plan_id=""),
            "plan_id: expected an id without '[', ']', '#', control or invisible characters, found ''",
        ),
        (
            made(plan_id="#"),
            "plan_id: expected an id without '[', ']', '#', control or invisible characters, found '#'",
        ),
        (made(meta=nested(101)), "meta: expected at most 100 nested levels, found more"),
        (made(step(), step()), "steps: expected each id once, found 'a' 2 times"),
        (made(step(confidence=1.5)), "steps.a.confidence: expected a number from 0 to 1, found 1.5"),
        (made(step(args=nested(101))), "steps.a.args: expected at most 100 nested levels, found more"),
        (
            made(step("b"), step(for_each=Reference("b", "x"), depends_on=("b",))),
            "steps.a.for_each.path: expected a JSON Pointer, found 'x'",
        ),
        (
            made(step("b"), step(args={"v": {"$from": "b"}})),
            "steps.a.depends_on: expected every step that it takes data from, found no 'b'",
        ),
        (
            made(step(depends_on=("b",))),
            "step 'a': expected to depend on or take data from known steps, found 'b', which does not exist",
        ),
    ],
)
def test_a_bad_plan_made_in_python_is_refused(bad: Plan, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        planning.checked(bad, "plan 1")
    assert caught.value.problems == (f"plan 1: {sentence}",)


graphs = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3).map(tuple), max_size=6
)


@given(graphs)
def test_a_cycle_is_found_exactly_where_no_order_exists(edges: dict[str, tuple[str, ...]]) -> None:
    cycle = planning.find_cycle(edges)
    rest = dict(edges)
    while free := [node for node, targets in rest.items() if not any(target in rest for target in targets)]:
        for node in free:
            del rest[node]
    assert bool(cycle) == bool(rest)
    assert cycle[:1] == cycle[-1:]
    assert all(target in edges[node] for node, target in pairwise(cycle))


def test_paths_that_meet_are_no_cycle() -> None:
    edges = {"a": ("b", "c"), "b": ("d",), "c": ("d",)}
    assert planning.find_cycle(edges) == []
    assert planning.find_cycle({**edges, "d": ("c",)}) == ["d", "c", "d"]


def test_a_long_chain_of_dependencies_needs_no_stack() -> None:
    edges = {str(number): (str(number + 1),) for number in range(50_000)}
    assert planning.find_cycle(edges) == []
    assert len(planning.find_cycle({**edges, "50000": ("0",)})) == 50_002


def test_an_entry_of_a_document_made_in_python_is_resolved_like_any_other() -> None:
    document = PlanDocument(steps={"a": StepDocument(agent="x")})
    assert planning.plan_of(document, "plan 1", "plan:1").steps == (Step(step_id="a", tool="a", agent="x"),)


@pytest.mark.parametrize("assigned", [{"x": ("a", "a")}, {"x": ("a",), "y": ("a",)}])
def test_a_step_that_is_assigned_twice_is_told_of_once(assigned: dict[str, tuple[str, ...]]) -> None:
    document = PlanDocument(steps={"a": StepDocument(agent="x")}, agent_assignments=assigned)
    with pytest.raises(BadInput) as caught:
        planning.plan_of(document, "plan 1", "plan:1")
    told = "plan 1: agent_assignments: step 'a' is assigned 2 times, expected once"
    assert caught.value.problems == (told,)
