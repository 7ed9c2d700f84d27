import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from buddy.core.canonical import (
    NOTHING,
    canonical,
    is_pointer,
    keyed_digest,
    lookup,
    pointer,
    sha256,
    without,
)

KEYS = st.text(alphabet="ab/~*0", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [(path, value), *(found for key, item in entries for found in places(item, (*path, key)))]


@given(VALUES)
def test_the_order_of_keys_makes_no_difference(value: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert canonical(turned(value)) == canonical(value)
    assert json.loads(canonical(value)) == value


def test_canonical_json_is_sorted_and_has_no_spaces() -> None:
    assert canonical({"b": [1, None], "a": "ä"}) == '{"a":"ä","b":[1,null]}'.encode()


def test_sha256_is_that_of_the_canonical_bytes() -> None:
    assert sha256({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


def test_a_digest_depends_on_key_tool_and_arguments() -> None:
    digest = keyed_digest(b"key", "set", {"a": 1, "b": 2})
    assert len(digest) == 32
    assert digest == keyed_digest(b"key", "set", {"b": 2, "a": 1})
    others = {
        keyed_digest(b"other", "set", {"a": 1, "b": 2}),
        keyed_digest(b"key", "put", {"a": 1, "b": 2}),
        keyed_digest(b"key", "set", {"a": 1, "b": 3}),
    }
    assert len(others | {digest}) == 4


@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 200])
def test_a_digest_of_a_call_is_an_hmac(size: int) -> None:
    key = bytes(range(size))
    found = hmac.new(key, b'set\x00{"a":1}', "sha256").hexdigest()
    assert keyed_digest(key, "set", {"a": 1}) == found[:32]


@given(VALUES)
def test_every_place_is_found_by_its_pointer(value: Any) -> None:
    for path, found in places(value):
        assert is_pointer(pointer(*path))
        assert lookup(value, pointer(*path)) is found


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": 1}, "/b"),
        ({"a": 1}, "/a/b"),
        ([1], "/1"),
        ([1], "/-"),
        ([1], "/-1"),
        ([1, 2], "/01"),
        ([1, 2], "/\u0661"),
        ([1], "/" + "9" * 5_000),
        ("text", "/0"),
    ],
)
def test_a_pointer_that_leads_nowhere_finds_nothing(value: Any, path: str) -> None:
    assert lookup(value, path) is NOTHING
    assert repr(NOTHING) == "NOTHING"


def test_rfc_6901_examples() -> None:
    value = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 9}
    found = [lookup(value, path) for path in ("", "/foo/0", "/", "/a~1b", "/m~0n", "/~01")]
    assert found == [value, "bar", 0, 1, 8, 9]
    assert lookup(("x", "y"), "/1") == "y"


def test_what_is_not_known_has_parts_that_are_not_known() -> None:
    assert lookup({"a": UNSET}, "/a/b/0") is UNSET


@pytest.mark.parametrize(("text", "expected"), [("", True), ("/a", True), ("a", False), ("a/b", False)])
def test_is_pointer(text: str, expected: bool) -> None:
    assert is_pointer(text) is expected


@pytest.mark.parametrize(
    ("value", "pointers", "left"),
    [
        ({"a": 1, "b": 2}, ["/a"], {"b": 2}),
        ({"a": 1}, ["/b", "/a/c"], {"a": 1}),
        ({"a": {"t": 1, "x": 2}, "b": {"t": 3}}, ["/*/t"], {"a": {"x": 2}, "b": {}}),
        ([{"t": 1, "x": 2}, {"t": 3}], ["/*/t"], [{"x": 2}, {}]),
        ([0, 1, 2, 3], ["/0", "/2"], [1, 3]),
        ([0, 1], ["/00"], [0, 1]),
        ([{"a": 1}], ["/0/a", "/0"], []),
        ({"a/b": 1, "c": 2}, ["/a~1b"], {"c": 2}),
        ({"a": [1]}, ["/a/*"], {"a": []}),
        ((1, 2), ["/0"], [2]),
        ({"a": 1}, [""], None),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_without(value: Any, pointers: list[str], left: Any) -> None:
    assert without(value, pointers) == left


@given(VALUES, st.data())
def test_without_takes_exactly_what_the_pointers_lead_to(value: Any, data: st.DataObject) -> None:
    """The places are those of the value as it came in: taking one away does not move the others."""
    every = [path for path, _ in places(value) if path and "*" not in path]
    chosen = data.draw(st.lists(st.sampled_from(every), max_size=3)) if every else []

    def expected(value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {k: expected(v, (*path, k)) for k, v in value.items() if (*path, k) not in chosen}
        if isinstance(value, list):
            return [expected(v, (*path, i)) for i, v in enumerate(value) if (*path, i) not in chosen]
        return value

    left = without(value, [pointer(*path) for path in chosen])
    assert left == expected(value, ())
    assert without(value, ["/nowhere/at/all"]) == value
