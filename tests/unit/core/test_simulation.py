import subprocess
import sys
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.core.simulation import draw, value_from_schema

Schema = dict[str, Any]


def fits(schema: Any, value: Any) -> bool:
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)


# Schemas as msgspec writes them, and as people write them in catalogues.


def bounds(kind: st.SearchStrategy[Any], low: str, high: str) -> st.SearchStrategy[Schema]:
    """Either bound, both (in order), or none."""
    both = st.tuples(kind, kind).map(lambda it: {low: min(it), high: max(it)})
    return st.tuples(both, st.sets(st.sampled_from([low, high]))).map(
        lambda it: {word: it[0][word] for word in sorted(it[1])}
    )


FORMATS = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "uuid",
    "uri",
    "hostname",
    "ipv4",
    "ipv6",
    "decimal",
]
names = st.text("abcxyz_", min_size=1, max_size=4)
sizes = st.integers(0, 12)
strings = st.one_of(
    bounds(sizes, "minLength", "maxLength").map(lambda it: {"type": "string", **it}),
    st.sampled_from(FORMATS).map(lambda it: {"type": "string", "format": it}),
    st.sampled_from(
        ["^[A-Z]{3}-[0-9]{4}$", r"^\d+(\.\d{2})?$", "^(red|green|blue)$", r"\w+@\w+", "[^a]b*c?$"]
    ).map(lambda it: {"type": "string", "pattern": it}),
)
integers = st.one_of(
    bounds(st.integers(-(10**12), 10**12), "minimum", "maximum").map(lambda it: {"type": "integer", **it}),
    st.integers(1, 500).map(lambda it: {"type": "integer", "multipleOf": it, "minimum": 7}),
    st.integers(-50, 50).map(
        lambda it: {"type": "integer", "exclusiveMinimum": it, "exclusiveMaximum": it + 2}
    ),
)
finite = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda it: round(it, 6))
numbers = st.one_of(
    bounds(finite, "minimum", "maximum").map(lambda it: {"type": "number", **it}),
    finite.map(lambda it: {"type": "number", "exclusiveMinimum": it, "exclusiveMaximum": it + 1e-3}),
    st.sampled_from([0.01, 0.1, 0.25, 3, 7.5]).map(lambda it: {"type": "number", "multipleOf": it}),
)
scalars = st.one_of(
    strings,
    integers,
    numbers,
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {}, {"const": {"a": [1]}}, {"type": ["string", "null"]}]
    ),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none()), min_size=1, unique=True).map(
        lambda it: {"enum": it}
    ),
)


def objects(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    def build(properties: Schema, required: set[str], closed: bool, least: int) -> Schema:
        needed = sorted(required & set(properties))
        schema: Schema = {"type": "object", "properties": properties, "required": needed}
        if closed:
            return schema | {"additionalProperties": False}
        return schema | ({"minProperties": least} if least else {})

    return st.builds(
        build, st.dictionaries(names, children, max_size=3), st.sets(names), st.booleans(), sizes
    )


def arrays(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.builds(
            lambda items, size: {"type": "array", "items": items, **size},
            children,
            bounds(sizes, "minItems", "maxItems"),
        ),
        st.lists(children, min_size=1, max_size=3).map(
            lambda it: {
                "type": "array",
                "prefixItems": it,
                "items": False,
                "minItems": len(it),
                "maxItems": len(it),
            }
        ),
    )


def unions(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.lists(children, min_size=1, max_size=3).map(lambda it: {"anyOf": it})


values = st.recursive(scalars, lambda it: st.one_of(objects(it), arrays(it), unions(it)), max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(values, st.integers())
def test_a_made_up_value_fits_its_schema(schema: Schema, seed: int) -> None:
    value = value_from_schema(schema, seed, "tool", 1)
    assert fits(schema, value), value
    assert value_from_schema(schema, seed, "tool", 1) == value


@settings(max_examples=100, deadline=None)
@given(values, values)
def test_a_made_up_value_fits_behind_references_and_in_a_merge(one: Schema, other: Schema) -> None:
    schema = {
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"second": other}, "required": ["second"]}],
        "$defs": {"Base": {"type": "object", "properties": {"first": one}, "required": ["first"]}},
    }
    value = value_from_schema(schema, 0, "tool")
    assert fits(schema, value), value


class Colour(msgspec.Struct, tag=True):
    name: str


class Node(msgspec.Struct):
    """A tree, whose schema refers to itself."""

    label: str
    size: float
    children: list["Node"] = []
    parent: "Node | None" = None
    colour: Colour | None = None


def test_a_recursive_schema_ends_and_is_filled_in_one_level_deep() -> None:
    value = value_from_schema(msgspec.json.schema(Node), 1, "tool")
    node = msgspec.convert(value, Node)
    assert node.children
    assert node.parent is not None
    assert node.colour is not None
    assert len(msgspec.json.encode(value)) < 2_000


def test_schemas_that_all_refer_to_one_another_stay_small() -> None:
    names = [f"T{number}" for number in range(8)]
    every = {name: {"$ref": f"#/$defs/{name}"} for name in names}
    schema = {
        "$ref": "#/$defs/T0",
        "$defs": {name: {"type": "object", "properties": every} for name in names},
    }
    value = value_from_schema(schema, 1, "tool")
    assert fits(schema, value)
    assert len(msgspec.json.encode(value)) < 100_000


def test_a_recursion_that_has_to_go_somewhere_takes_the_way_that_ends() -> None:
    link = {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]}
    schema = {
        "$ref": "#/$defs/link",
        "$defs": {"link": {"type": "object", "properties": {"next": link}, "required": ["next"]}},
    }
    for seed in range(10):
        assert value_from_schema(schema, seed, "tool") == {"next": {"next": None}}


def test_made_up_names_that_are_drawn_twice_do_not_count_twice() -> None:
    schema = {"type": "object", "minProperties": 2, "propertyNames": {"enum": ["a", "b"]}}
    for seed in range(20):
        assert value_from_schema(schema, seed, "tool").keys() == {"a", "b"}


EVERY = {"$ref": "#/$defs/E"}
TWICE = {"type": "object", "properties": {"a": EVERY, "b": EVERY}, "required": ["a", "b"]}


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "contains": {"const": 5}, "minContains": 2, "items": {"type": "integer"}},
        {"type": "array", "items": False},
        {"type": "object", "required": ["other"], "properties": {"a": False}},
        {"type": "object", "minProperties": 2, "propertyNames": {"pattern": "^k[0-9]+$"}},
        {"type": "object", "maxProperties": 1, "properties": {"a": {}, "b": {}}},
        {"allOf": [{"type": "integer"}, {"minimum": 500}, {"multipleOf": 7}]},
        {"allOf": [{"type": "string", "pattern": "^[ab]+$"}, {"minLength": 5}]},
        {"minimum": 3},
        {"minLength": 40},
        {"type": "string", "minLength": 2, "maxLength": 3},
        {"type": "string", "contentEncoding": "base64"},
        {"type": "number", "maximum": -5},
        {"type": "integer", "multipleOf": 0.75, "minimum": 1},
        {"type": "number", "minimum": 1.5, "maximum": 1.5},
        {"enum": [1, "x", None], "type": ["string", "integer"]},
        {"$ref": "#/properties/a", "properties": {"a": {"type": "object", "required": ["b"]}}},
        {"type": ["null"]},
        {"anyOf": [False, {"type": "integer"}]},
        {"anyOf": [{"type": "null"}, {"const": None}]},
        {"$ref": "#/$defs/E", "$defs": {"E": {"anyOf": [TWICE, {"type": "integer"}]}}},
        {
            "properties": {"a": {"$ref": "#/$defs/E"}},
            "$defs": {"E": {"properties": {"e": {"$ref": "#/$defs/E"}}}},
        },
        {"$ref": "#/$defs/E", "$defs": {"E": {"type": ["null", "array"], "items": {"$ref": "#/$defs/E"}}}},
        True,
    ],
)
def test_less_common_schemas(schema: Any) -> None:
    assert fits(schema, value_from_schema(schema, 7, "tool"))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}},
        },
        {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "boolean"}},
        {"enum": ["x"], "type": "integer"},
        {"anyOf": [False, {"allOf": [{"type": "string"}, False]}]},
        {"type": "string", "pattern": "^(?=ab)a"},
        {"$ref": "#there", "$defs": {"a": {"$anchor": "there", "type": "integer"}}},
    ],
)
def test_what_nothing_fits_ends_without_an_error(schema: Any) -> None:
    assert not fits(schema, value_from_schema(schema, 7, "tool"))


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        value_from_schema({"$ref": "#/$defs/nowhere"}, 0)


def test_what_can_be_filled_in_is_and_reads_well() -> None:
    contact = {
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    value = value_from_schema(contact, 3, "crm.find")
    assert value["email"].startswith("example-")
    assert value["note"].startswith("example-")
    assert len(value["tags"]) == 1


def test_another_seed_or_key_gives_another_value() -> None:
    schema = {"type": "integer", "minimum": 0, "maximum": 10**15}
    assert len({value_from_schema(schema, seed, key) for seed in (1, 2) for key in ("a", "b")}) == 4


@given(st.integers(), st.lists(st.one_of(st.text("ab"), st.integers(-9, 9)), max_size=3))
def test_draws_are_in_range_and_repeatable(seed: int, key: list[str | int]) -> None:
    assert 0 <= draw(seed, *key) < 1
    assert draw(seed, *key) == draw(seed, *key)


def test_draws_differ_by_every_part_of_the_key() -> None:
    keys: list[tuple[str | int, ...]] = [(), ("a",), ("a", "b"), ("ab",), ("a", 1), ("a", "1"), (1,)]
    assert len({draw(0, *key) for key in keys} | {draw(1, "a")}) == len(keys) + 1


def test_draws_are_spread_evenly() -> None:
    tenths = [0] * 10
    for number in range(10_000):
        tenths[int(draw(5, "step", number) * 10)] += 1
    assert min(tenths) > 850
    assert max(tenths) < 1150


def test_another_process_draws_the_same() -> None:
    schema = {"properties": {"a": {}, "b": {"type": "number"}}}
    code = (
        "from buddy.core.simulation import draw, value_from_schema\n"
        f"print(draw(5, 'a', 2), value_from_schema({schema}, 5, 'k'))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"{draw(5, 'a', 2)} {value_from_schema(schema, 5, 'k')}"
