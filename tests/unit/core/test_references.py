from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core import references
from buddy.core.canonical import NOTHING, lookup
from buddy.core.references import UNKNOWN
from buddy.errors import InvalidArguments

RESULT = {"contacts": [{"email": "a@b.c"}], "a/b": 1}
REFERENCE = {"$from": "find", "path": "/contacts/0/email"}

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~$", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
MIXED: st.SearchStrategy[Any] = st.recursive(
    st.integers()
    | st.sampled_from(
        [REFERENCE, {"$from": "other"}, {"$item": "/x"}, {"$from": "find", "more": 1}, {"$secret": "env:A"}]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ARGS = st.dictionaries(st.text("ab/~", max_size=3), MIXED, max_size=4)


def results(step: str) -> Any:
    return {"find": RESULT, "other": 2, "unknown": UNKNOWN, "half": {"a": UNKNOWN}}.get(step, NOTHING)


@given(ARGS)
def test_what_is_found_stands_where_its_pointer_says(args: dict[str, Any]) -> None:
    found = list(references.find(args))
    assert all(lookup(args, place) is reference for place, reference in found)
    assert references.has_references(args) is bool(found)
    assert set(references.sources(args)) == {one["$from"] for _, one in found if "$from" in one}


@given(ARGS)
def test_nothing_is_left_to_resolve(args: dict[str, Any]) -> None:
    resolved = references.resolve(args, results, {"x": 3})
    assert not references.has_references(resolved)
    expected = {"$from": {"find": "a@b.c", "other": 2}}
    for place, reference in references.find(args):
        wanted = 3 if "$item" in reference else expected["$from"][reference["$from"]]
        assert lookup(resolved, place) == wanted


@given(st.dictionaries(st.text("ab$", max_size=3), PLAIN, max_size=3))
def test_data_stays_as_it_is(args: dict[str, Any]) -> None:
    assert references.resolve(args, results) == args


@pytest.mark.parametrize(
    "value",
    [
        {"$from": "find", "path": "", "more": 1},
        {"$item": "/a", "path": "/b"},
        {"path": "/a"},
        {"$secret": "env:A"},
        {"$FROM": "find"},
        "$from",
    ],
)
def test_only_these_keys_make_a_reference(value: Any) -> None:
    assert not references.has_references({"a": [value]})
    assert list(references.find({"a": [value]})) == []


def test_the_arguments_as_a_whole_are_no_reference() -> None:
    args = {"$from": "find", "path": "/contacts"}
    assert not references.has_references(args)
    assert references.sources(args) == ()
    assert references.resolve(args, results) == args


def test_sources_come_once_and_in_the_order_met() -> None:
    args = {
        "b": {"$from": "two"},
        "a": [{"$from": "one"}, {"x": {"$from": "two", "path": "/y"}}, {"$item": ""}],
    }
    assert references.sources(args) == ("two", "one")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"a": {"$from": "find", "path": "/a~1b"}}, {"a": 1}),
        ({"a": {"$from": "find"}}, {"a": RESULT}),
        ({"a": {"$from": "unknown", "path": "/x"}}, {"a": UNKNOWN}),
        ({"a": {"$from": "half", "path": "/a/b/c"}}, {"a": UNKNOWN}),
        ({"a": [{"b": {"$item": "/n"}}]}, {"a": [{"b": 1}]}),
        ({"a": {"$item": ""}}, {"a": {"n": 1}}),
    ],
)
def test_resolve(args: dict[str, Any], expected: dict[str, Any]) -> None:
    assert references.resolve(args, results, {"n": 1}) == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            {"to": [{"x/y": {"$from": "find", "path": "/nobody"}}]},
            "args/to/0/x~1y: nothing at '/nobody' in the result of step 'find'",
        ),
        ({"a": {"$from": "missing"}}, "args/a: nothing at '' in the result of step 'missing'"),
        ({"a": {"$item": "/b"}}, "args/a: nothing at '/b' in the item"),
        ({"a": {"$from": "half", "path": "/b/c"}}, "args/a: nothing at '/b/c' in the result of step 'half'"),
    ],
)
def test_a_reference_that_finds_nothing_names_place_step_and_path(args: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArguments) as error:
        references.resolve(args, results)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (UNKNOWN, True),
        ({"a": [1, {"b": UNKNOWN}]}, True),
        ({"a": [1, {"b": None}]}, False),
        ([], False),
        ("text", False),
    ],
)
def test_has_unknown(value: Any, expected: bool) -> None:
    assert references.has_unknown(value) is expected


def test_secrets_are_whole_arguments() -> None:
    args = {
        "key": {"$secret": "env:KEY"},
        "b": {"$secret": "env:B", "x": 1},
        "c": {"d": {"$secret": "env:D"}},
        "e": 1,
    }
    assert references.secrets_in(args) == {"key": "env:KEY"}
