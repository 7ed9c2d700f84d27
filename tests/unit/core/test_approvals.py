from typing import Any

import pytest

from buddy.core.approvals import (
    MAX_DIFFERENCES,
    Policy,
    PolicyRule,
    binding,
    differences,
    edit_problem,
    matching_rule,
    person,
)
from buddy.core.planning import MAX_DEPTH, TOO_DEEP
from buddy.model.outcome import Change, Preview
from unit.core.plans import tool

TOOL = tool(volatile=("/*/after/at",))


def preview(*changes: Any, **fields: Any) -> Preview:
    return Preview(changes=list(changes), **fields)


def created(at: int, name: str = "Ann") -> Change:
    return Change(resource="contact:1", after={"at": at, "name": name})


def test_a_binding_leaves_out_what_may_differ() -> None:
    one = binding(TOOL, "d", [preview(created(1), result=1, notes=["a"])])
    assert one == binding(TOOL, "d", [preview(created(2), result=2, notes=["b"])])


@pytest.mark.parametrize(
    "other",
    [
        (TOOL, "other", [preview(created(1))]),
        (tool(volatile=("/*/after/at",), version="2"), "d", [preview(created(1))]),
        (TOOL, "d", [preview(created(1, "Bob"))]),
        (TOOL, "d", [preview(created(1), created(1))]),
        (TOOL, "d", [preview(created(1)), preview()]),
        (TOOL, "d", []),
    ],
)
def test_a_binding_covers_contract_arguments_and_changes(other: tuple[Any, ...]) -> None:
    assert binding(*other) != binding(TOOL, "d", [preview(created(1))])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (preview(created(1)), preview(created(2)), ()),
        (None, None, ()),
        (preview(), None, ()),
        (preview("a"), preview("b"), ('change 1: was "a", is "b"',)),
        (None, preview("b"), ('change 1: was nothing, is "b"',)),
        (preview("a", "b"), preview("a"), ('change 2: was "b", is nothing',)),
    ],
)
def test_differences(before: Preview | None, after: Preview | None, expected: tuple[str, ...]) -> None:
    assert differences(TOOL, before, after) == expected


def test_differences_are_short_and_few() -> None:
    found = differences(TOOL, preview("x" * 500), preview(*range(100)))
    assert len(found) == MAX_DIFFERENCES
    assert found[0] == f'change 1: was "{"x" * 196}..., is 0'


def test_a_tool_whose_changes_are_all_volatile_has_no_differences() -> None:
    assert differences(tool(volatile=("",)), preview("a"), preview("b")) == ()


APPROVE = PolicyRule(decision="approve", tool="mail.*", args={"to": "*@us.org"}, reason="ours")
DENY = PolicyRule(decision="deny", agent="eve*")
NUMBERS = PolicyRule(decision="approve", tool="pay", args={"cents": "[0-9][0-9]"})
POLICY = Policy(rules=(DENY, APPROVE, NUMBERS))


@pytest.mark.parametrize(
    ("name", "agent", "args", "expected"),
    [
        ("mail.send", "ann", {"to": "a@us.org"}, APPROVE),
        ("mail.send", "ann", {"to": "a@them.org"}, None),
        ("mail.send", "ann", {}, None),
        ("Mail.send", "ann", {"to": "a@us.org"}, None),
        ("mail.send", "eve1", {"to": "a@us.org"}, DENY),
        ("pay", "ann", {"cents": 42}, NUMBERS),
        ("pay", "ann", {"cents": 420}, None),
        ("mail.send", "ann", [{"to": "a@us.org"}, {"to": "b@us.org"}], APPROVE),
        ("mail.send", "ann", [{"to": "a@us.org"}, {"to": "b@them.org"}], None),
        ("mail.send", "ann", [], None),
    ],
)
def test_the_first_rule_that_matches_decides(
    name: str, agent: str, args: Any, expected: PolicyRule | None
) -> None:
    assert matching_rule(POLICY, name, agent, args) is expected


def test_one_item_that_is_denied_denies_the_fan_out() -> None:
    deny = PolicyRule(decision="deny", args={"to": "*@them.org"})
    policy = Policy(rules=(deny, PolicyRule(decision="approve")))
    assert matching_rule(policy, "mail.send", "ann", [{"to": "a@us.org"}, {"to": "b@them.org"}]) is deny


def nested(levels: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner], lambda inner: (inner,)])
def test_an_edit_may_be_as_deep_as_a_plan_and_no_deeper(wrap: Any) -> None:
    assert edit_problem({}, {"to": nested(MAX_DEPTH - 1, wrap)}) == ""
    for levels in (MAX_DEPTH, 10_000):
        assert edit_problem({}, {"to": nested(levels, wrap)}) == TOO_DEEP


@pytest.mark.parametrize("edited", [{"to": object()}, {"to": "\ud800"}, ["to"], 7])
def test_an_edit_is_an_object_of_json_values(edited: Any) -> None:
    assert edit_problem({}, edited).startswith("expected ")


def test_a_fan_out_cannot_be_edited() -> None:
    assert "found a fan-out" in edit_problem([{"to": "bob"}], {"to": "eve"})
    assert edit_problem({"to": "bob"}, {"to": "eve"}) == ""


@pytest.mark.parametrize("name", ["Ada  Byron", " ada byron", "ADA\tBYRON "])
def test_case_and_blanks_do_not_make_two_people_of_one(name: str) -> None:
    assert person(name) == person("ada byron") != person("adabyron")
