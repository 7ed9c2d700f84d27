from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core import catalogue
from buddy.core.references import UNKNOWN
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Risk, Undo
from buddy.model.plan import Claim

EMAIL = {"type": "object", "properties": {"email": {"type": "string"}}, "additionalProperties": False}


def contract(name: str = "crm.update", **fields: Any) -> ToolContract:
    """A contract that nothing is wrong with."""
    return ToolContract(
        **{
            "name": name,
            "permissions": ("crm.write",),
            "resources": ("contact:{email}",),
            "input": EMAIL,
            **fields,
        }
    )


def problems(*contracts: ToolContract, **handlers: set[str]) -> tuple[str, ...]:
    has = {one.name: frozenset(handlers.get("has", ())) for one in contracts}
    return catalogue.validate(contracts, has)[0]


def test_a_good_catalogue_has_no_problems_and_no_warnings() -> None:
    good = [
        contract(undo=Undo.EXACT, depends_on=("crm.find",), volatile=("/*/after/a~1b", "/0"), secret_args=()),
        contract(
            "crm.find", effect=Effect.READ, risk=Risk.LOW, permissions=(), resources=(), undo=Undo.EXACT
        ),
    ]
    handlers = {"crm.update": frozenset({"live", "undo"}), "crm.find": frozenset({"live"})}
    assert catalogue.validate(good, handlers) == ((), ())


@pytest.mark.parametrize(
    ("fields", "has", "problem"),
    [
        ({"depends_on": ("gone",)}, set(), "depends_on: expected a tool of the catalogue, found gone"),
        (
            {"permissions": ()},
            set(),
            "permissions: expected at least one, because its risk is HIGH, found none",
        ),
        (
            {"undo": Undo.EXACT},
            {"live"},
            'undo: expected an undo handler, because the contract says "exact", found none',
        ),
        (
            {"undo": Undo.EQUIVALENT},
            {"live"},
            'undo: expected an undo handler, because the contract says "equivalent", found none',
        ),
        (
            {"undo": Undo.NONE},
            {"live", "undo"},
            'undo: expected "exact" or "equivalent", because it has an undo handler, found "none"',
        ),
        (
            {"effect": Effect.READ, "undo": Undo.EXACT},
            {"live", "undo"},
            "undo: expected no handler, because it is a read, found one",
        ),
        (
            {"resources": ("contact:{mail}",)},
            set(),
            "resources: expected arguments of the input schema (email), found mail in contact:{mail}",
        ),
        (
            {"resources": ("contact:{email!r}",)},
            set(),
            "resources: expected {argument} as the only placeholders, found contact:{email!r}",
        ),
        (
            {"resources": ("contact:{email}}",)},
            set(),
            "resources: expected {argument} as the only placeholders, found contact:{email}}",
        ),
        (
            {"resources": ("contact:{email}",), "secret_args": ("email",)},
            set(),
            "resources: expected no secret in a name that is written down, found email in contact:{email}",
        ),
        (
            {"volatile": ("0/at",)},
            set(),
            'volatile: expected JSON Pointers such as /0/after/at, found "0/at"',
        ),
        ({"volatile": ("",)}, set(), 'volatile: expected JSON Pointers such as /0/after/at, found ""'),
        ({"volatile": ("/~2",)}, set(), 'volatile: expected JSON Pointers such as /0/after/at, found "/~2"'),
        (
            {"secret_args": ("token",)},
            set(),
            "secret_args: expected arguments of the input schema, found token",
        ),
        ({"output": {"type": "strin"}}, set(), "output: expected a JSON Schema: "),
        (
            {"input": {"type": "string"}},
            set(),
            'input: expected the schema of an object, found type "string"',
        ),
        (
            {"output": {"type": "string"}, "example": 3},
            set(),
            "example: expected a result that fits the output schema: /: expected string, found 3",
        ),
    ],
)
def test_each_thing_that_is_wrong_is_one_sentence(
    fields: dict[str, Any], has: set[str], problem: str
) -> None:
    found = problems(contract(**fields), has=has)
    assert len(found) == 1
    assert found[0].startswith(f"tool crm.update: {problem}")


def test_a_contract_alone_needs_no_undo_handler() -> None:
    assert problems(contract(undo=Undo.EXACT), has=set()) == ()


def test_an_open_schema_takes_any_argument() -> None:
    open_ones: list[dict[str, Any] | None] = [
        None,
        {"properties": {}},
        {"allOf": [EMAIL], "additionalProperties": False},
    ]
    for schema in open_ones:
        assert problems(contract(input=schema, resources=("x:{anything}",), secret_args=("token",))) == ()


def test_circles_are_named_each_once() -> None:
    tools = [
        contract("a", depends_on=("b",)),
        contract("b", depends_on=("c",)),
        contract("c", depends_on=("a", "d")),
        contract("d", depends_on=("d",)),
        contract("e", depends_on=("a",)),
    ]
    assert problems(*tools) == (
        "tools depend on one another in a circle: a -> b -> c -> a",
        "tools depend on one another in a circle: d -> d",
    )


def test_writes_without_resources_are_one_warning_a_file() -> None:
    tools = [contract(f"write{number}", resources=()) for number in range(8)] + [contract("x", resources=())]
    tools += [contract("r", resources=(), effect=Effect.READ)]
    places = {f"write{number}": "a.toml" for number in range(8)} | {"x": "b.toml"}
    assert catalogue.validate(tools, None, places) == (
        (),
        (
            "a.toml: 8 writes name no resources and claim tool:NAME as a whole:"
            " write0, write1, write2, write3, write4 and 3 more",
            "b.toml: 1 write names no resources and claims tool:x as a whole",
        ),
    )


def test_who_is_vouched_for_is_only_looked_at_beside_the_others() -> None:
    bad = contract(input={"type": 7}, depends_on=("crm.find",))
    find = contract("crm.find", effect=Effect.READ, depends_on=("crm.update",))
    assert len(catalogue.validate([bad, find])[0]) == 2
    assert catalogue.validate([bad, find], vouched={"crm.update"})[0] == (
        "tools depend on one another in a circle: crm.update -> crm.find -> crm.update",
    )


def test_problems_name_the_file() -> None:
    found, _ = catalogue.validate([contract(permissions=())], None, {"crm.update": "crm.toml"})
    assert found[0].startswith("crm.toml: tool crm.update: permissions")


@pytest.mark.parametrize(
    ("template", "args", "names"),
    [
        ("contact:{email}", {"email": "a@b.c"}, ("contact:a@b.c",)),
        ("contact:{email}", {}, ()),
        ("contact:{email}", {"email": None}, ()),
        ("contact:{email}", {"email": {"$from": "find", "path": "/0"}}, ()),
        ("contact:{email}", {"email": {"$from": "find"}}, ()),
        ("contact:{email}", {"email": [{"$item": ""}]}, ()),
        ("contact:{email}", {"email": UNKNOWN}, ()),
        ("contact:{email}", {"email": {"b": 1, "a": ["x", None]}}, ('contact:{"a":["x",null],"b":1}',)),
        ("contact:{email}", {"email": {"$from": "find", "more": 1}}, ('contact:{"$from":"find","more":1}',)),
        ("n:{n}", {"n": 5}, ("n:5",)),
        ("n:{n}", {"n": 0}, ("n:0",)),
        ("n:{n}", {"n": True}, ("n:true",)),
        ("n:{n}", {"n": ""}, ("n:",)),
        ("{a}-{b}/{a}.", {"a": "1", "b": "2"}, ("1-2/1.",)),
        ("{a}-{b}", {"a": "1"}, ()),
        ("page:{a/b}", {"a/b": "x"}, ("page:x",)),
        ("everything", {}, ("everything",)),
    ],
)
def test_templates_are_filled_from_the_arguments(
    template: str, args: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert catalogue.resources_of(contract(resources=(template,)), args) == names


def test_resources_keep_the_order_of_the_templates() -> None:
    both = contract(resources=("z:{a}", "b:{a}", "none:{c}"))
    assert catalogue.resources_of(both, {"a": "1"}) == ("z:1", "b:1")


@pytest.mark.parametrize(
    ("fields", "args", "extra", "claims"),
    [
        ({}, {"email": "a"}, (), (("contact:a", True),)),
        ({"effect": Effect.READ}, {"email": "a"}, (), (("contact:a", False),)),
        ({"effect": Effect.READ}, {}, (), ()),
        ({}, {}, (), (("tool:crm.update", True),)),
        ({"resources": ()}, {}, (), (("tool:crm.update", True),)),
        ({"resources": ()}, {}, (Claim("z"),), (("tool:crm.update", True), ("z", True))),
        ({}, {"email": {"$from": "find"}}, (), ()),
        ({}, {"email": {"$from": "find"}}, (Claim("z", "read"),), (("z", False),)),
        (
            {},
            {"email": "b"},
            (Claim("a", "read"), Claim("contact:b", "read")),
            (("a", False), ("contact:b", True)),
        ),
        ({"effect": Effect.READ}, {"email": "b"}, (Claim("contact:b"),), (("contact:b", True),)),
        ({"effect": Effect.READ}, {}, (Claim("a", "read"), Claim("a")), (("a", True),)),
        ({"resources": ("z", "a", "z")}, {}, (), (("a", True), ("z", True))),
    ],
)
def test_claims(
    fields: dict[str, Any],
    args: dict[str, Any],
    extra: tuple[Claim, ...],
    claims: tuple[tuple[str, bool], ...],
) -> None:
    assert catalogue.claims_of(contract(**fields), args, extra) == claims


names = st.sampled_from("abc")


@given(
    st.lists(names.map("r:{{{}}}".format), max_size=4),
    st.dictionaries(names, st.one_of(st.none(), st.text(max_size=2), st.integers(), st.lists(st.none()))),
    st.lists(st.builds(Claim, names.map("r:{}".format), st.sampled_from(["read", "write"])), max_size=4),
    st.sampled_from(Effect),
)
def test_claims_are_sorted_unique_and_never_fewer_than_what_is_named(
    templates: list[str], args: dict[str, Any], extra: list[Claim], effect: Effect
) -> None:
    tool = contract(resources=tuple(templates), input=None, effect=effect)
    claims = catalogue.claims_of(tool, args, tuple(extra))
    assert catalogue.claims_of(tool, args, tuple(extra), catalogue.resources_of(tool, args)) == claims
    named = [name for name, _ in claims]
    assert named == sorted(set(named))
    assert set(named) >= {*catalogue.resources_of(tool, args), *(claim.resource for claim in extra)}
    assert claims or effect is Effect.READ
    writes = {claim.resource for claim in extra if claim.access == "write"}
    assert all(dict(claims)[name] for name in writes)


def test_prerequisites_are_all_that_go_before_in_an_order_that_works() -> None:
    tools = [
        contract("click", depends_on=("fill", "inspect")),
        contract("fill", depends_on=("navigate",)),
        contract("inspect", depends_on=("navigate", "outside")),
        contract("navigate"),
    ]
    assert catalogue.prerequisites(tools) == {
        "fill": ("navigate",),
        "inspect": ("navigate", "outside"),
        "click": ("navigate", "fill", "outside", "inspect"),
    }


def test_prerequisites_of_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        catalogue.prerequisites([contract("a", depends_on=("b",)), contract("b", depends_on=("a",))])


def test_a_long_chain_of_tools_is_no_trouble() -> None:
    tools = [contract(f"t{n}", depends_on=(f"t{n + 1}",)) for n in range(2_000)] + [contract("t2000")]
    assert problems(*tools) == ()
    assert len(catalogue.prerequisites(tools[1_000:])["t1000"]) == 1_000
