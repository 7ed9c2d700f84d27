import pytest

from buddy.core import schemas

CONTACT = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "format": "email", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "kind": {"enum": ["lead", "won"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": True},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "a/b": {"type": "string", "pattern": "^x"},
        "fixed": {"const": 3},
        "even": {"multipleOf": 2},
        "named": {"type": "object", "propertyNames": {"pattern": "^n"}, "minProperties": 1},
        "never": False,
    },
    "required": ["email"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"email": "a@b.c", "age": 3, "kind": "won", "tags": ["x"], "note": None, "a/b": "xy"}, ""),
        ({"email": "ab"}, '/email: expected a string in the format email, found "ab"'),
        ({"email": "abcdefghijklmnop@b.cde"}, "/email: expected at most 20 characters, found "),
        ({"age": 3}, "/email: expected a value, found none"),
        ({"email": 7}, "/email: expected string, found 7"),
        ({"email": "a@b.c", "age": -1}, "/age: expected at least 0, found -1"),
        ({"email": "a@b.c", "age": 150}, "/age: expected less than 150, found 150"),
        ({"email": "a@b.c", "kind": "lost"}, '/kind: expected one of "lead","won", found "lost"'),
        ({"email": "a@b.c", "tags": ["x", 1]}, "/tags/1: expected string, found 1"),
        ({"email": "a@b.c", "tags": ["x", "x"]}, '/tags: expected items that all differ, found ["x","x"]'),
        ({"email": "a@b.c", "tags": ["x", "y", "z"]}, "/tags: expected at most 2 items, found "),
        ({"email": "a@b.c", "note": 1}, "/note: expected string or null, found 1"),
        ({"email": "a@b.c", "a/b": "y"}, '/a~1b: expected a string that matches ^x, found "y"'),
        ({"email": "a@b.c", "fixed": 4}, "/fixed: expected 3, found 4"),
        ({"email": "a@b.c", "even": 3}, "/even: expected a multiple of 2, found 3"),
        ({"email": "a@b.c", "named": {}}, "/named: expected at least 1 entries, found {}"),
        ({"email": "a@b.c", "named": {"m": 1}}, "/named: expected a value that satisfies propertyNames"),
        ({"email": "a@b.c", "never": 1}, "/never: expected nothing, found 1"),
        ({"email": "a@b.c", "mail": 1}, "/mail: expected one of email, age, kind, "),
        ({"email": "a@b.c", "age": object()}, "expected JSON, found something else: "),
        ({"email": "a@b.c", 3: 4}, "expected JSON, found something else: "),
    ],
)
def test_a_sentence_names_the_place_what_was_expected_and_what_was_found(
    value: object, sentence: str
) -> None:
    told = schemas.checker(CONTACT)(value)
    assert told.startswith(sentence)
    assert bool(told) == bool(sentence)


def test_a_branch_that_asks_for_more_than_a_type_is_told_by_what_it_misses() -> None:
    shapes = {"anyOf": [{"type": "object", "required": ["a"]}, {"type": "string"}]}
    assert schemas.checker(shapes)({}) == "/: expected required at / or string, found {}"
    assert schemas.checker({"oneOf": [{"type": "string"}, {"type": "integer"}]})(None) == (
        "/: expected string or integer, found null"
    )
    assert schemas.checker({"oneOf": [{"minimum": 1}, {"minimum": 2}]})(3).startswith("/: expected ")


def test_long_values_are_cut() -> None:
    told = schemas.checker({"type": "integer"})("x" * 10_000)
    assert len(told) < 120
    assert told.endswith("...")


def test_no_schema_fits_everything() -> None:
    check = schemas.checker(None)
    assert check({"a": [1, None, "x"]}) == ""
    assert check(10**30) == ""


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"type": 3},
        {"properties": []},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.com/contact.json"},
        {"minLength": -1},
        {"pattern": "("},
    ],
)
def test_what_is_no_schema_is_told_and_cannot_be_compiled(schema: dict[str, object]) -> None:
    assert schemas.invalid(schema) != ""
    with pytest.raises(ValueError, match=r"."):
        schemas.checker(schema)


def test_a_schema_with_its_own_definitions_is_valid() -> None:
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}}
    assert schemas.invalid(schema) == ""
    assert schemas.invalid(True) == ""


def test_pointers_escape_what_they_have_to() -> None:
    assert schemas.pointer(["a/b", 3, "c~d"]) == "/a~1b/3/c~0d"
    assert schemas.pointer([]) == ""


@pytest.mark.parametrize(
    ("reference", "found"), [("#", "root"), ("#/$defs/a~1b", 1), ("#/list/1", 3), ("#/list/0/x", 2)]
)
def test_references_lead_into_the_schema(reference: str, found: object) -> None:
    root = {"$defs": {"a/b": 1}, "list": [{"x": 2}, 3]}
    assert schemas.resolve(root, reference) == (root if found == "root" else found)


@pytest.mark.parametrize("reference", ["#a", "other.json", "#/list/x", "#/list/9", "#/none", "#/list/1/x"])
def test_references_that_lead_nowhere_are_lookup_errors(reference: str) -> None:
    with pytest.raises(LookupError):
        schemas.resolve({"list": [{"x": 2}, 3]}, reference)


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        (True, {"type": "string"}, {"type": "string"}),
        ({"type": "string"}, False, False),
        (False, True, False),
        ({"type": ["string", "null"]}, {"type": "string"}, {"type": "string"}),
        ({"type": "number"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": "string"}, {"type": "integer"}, {"type": []}),
        ({"minimum": 1, "maxItems": 5}, {"minimum": 3, "maxItems": 2}, {"minimum": 3, "maxItems": 2}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"enum": [1, 2, 3]}, {"enum": [3, 2]}, {"enum": [2, 3]}),
        ({"multipleOf": 4}, {"multipleOf": 6}, {"multipleOf": 12}),
        ({"multipleOf": 0.5}, {"multipleOf": 0.75}, {"multipleOf": 1.5}),
        (
            {"items": {"minLength": 1}},
            {"items": {"type": "string"}},
            {"items": {"minLength": 1, "type": "string"}},
        ),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "a", "allOf": [{"pattern": "b"}]}),
        ({"title": "A"}, {"title": "B"}, {"title": "B"}),
        (
            {"properties": {"a": {"minimum": 1}}, "additionalProperties": False},
            {"properties": {"a": {"type": "integer"}, "b": {}}},
            {
                "properties": {"a": {"minimum": 1, "type": "integer"}, "b": False},
                "additionalProperties": False,
            },
        ),
    ],
)
def test_merged_schemas_ask_for_what_both_ask_for(one: object, other: object, merged: object) -> None:
    assert schemas.merge(one, other) == merged
