import datetime
import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from msgspec import Meta, Struct

from buddy.adapters.tools import signature
from buddy.core import schemas
from buddy.errors import BadInput
from buddy.ports import CallContext

if TYPE_CHECKING:
    from somewhere import Gone


class Status(enum.Enum):
    LEAD = "lead"
    WON = "won"


class Contact(Struct):
    email: str
    since: datetime.date | None = None


class Filters(TypedDict):
    field: str
    value: NotRequired[int]


class Tree(TypedDict):
    name: str
    branches: "list[Tree]"


class Opaque:
    pass


class Odd(list[int]):
    """Metadata without a hash."""


class Dated(TypedDict):
    day: datetime.date


@dataclass
class Point:
    x: int
    y: int = 0


def plain(
    name: str,
    tags: list[str],
    filters: list[Filters],
    extra: dict[str, Any],
    limit: Annotated[int, Meta(ge=1, le=10)] = 5,
    kind: Literal["a", "b"] | None = None,
    anything=None,  # type: ignore[no-untyped-def]
    *,
    exact: bool = False,
) -> dict[str, Any]:
    raise NotImplementedError


def test_the_input_schema_is_closed_complete_and_valid() -> None:
    schema = signature.read(plain).input
    assert schemas.invalid(schema) == ""
    assert schema["required"] == ["name", "tags", "filters", "extra"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == [
        "name", "tags", "filters", "extra", "limit", "kind", "anything", "exact",
    ]  # fmt: skip
    assert schema["properties"]["limit"] == {"type": "integer", "minimum": 1, "maximum": 10, "default": 5}
    assert schema["properties"]["anything"] == {"default": None}
    assert schema["$defs"].keys() == {"Filters"}


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"name": "n", "tags": [], "filters": [{"field": "x"}], "extra": {}}, ""),
        ({"name": "n", "tags": [], "filters": [{"field": "x", "value": 3}], "extra": {}, "kind": None}, ""),
        ({"name": "n", "tags": [1], "filters": [], "extra": {}}, "/tags/0: expected string, found 1"),
        (
            {"name": "n", "tags": [], "filters": [{}], "extra": {}},
            "/filters/0/field: expected a value, found none",
        ),
        (
            {"name": "n", "tags": [], "filters": [], "extra": {}, "limit": 11},
            "/limit: expected at most 10, found 11",
        ),
        (
            {"name": "n", "tags": [], "filters": [], "extra": {}, "exakt": True},
            "/exakt: expected one of name, tags,",
        ),
    ],
)
def test_arguments_are_held_to_it(args: dict[str, Any], sentence: str) -> None:
    assert schemas.checker(signature.read(plain).input)(args).startswith(sentence)


def test_only_what_json_has_no_form_for_is_converted() -> None:
    def mixed(
        a: str,
        b: list[dict[str, int]],
        c: Filters,
        d: Sequence[str],
        e: Mapping[str, float],
        f: Any,
        day: datetime.date,
        status: Status,
        contact: Contact,
        point: Point | None,
        pair: tuple[int, str],
        unique: set[str],
        dated: Dated,
        many: list[Contact],
        keyed: dict[int, str],
        limited: Annotated[Status, Meta(description="x")] = Status.LEAD,
    ) -> None:
        raise NotImplementedError  # fmt: skip

    read = signature.read(mixed)
    assert read.converted.keys() == {
        "day", "status", "contact", "point", "pair", "unique", "dated", "many", "keyed", "limited",
    }  # fmt: skip
    assert read.input["properties"]["limited"]["default"] == "lead"
    args = {
        "day": "2025-01-02", "status": "won", "contact": {"email": "e", "since": "2025-01-02"},
        "point": {"x": 1}, "pair": [1, "a"], "unique": ["x", "x"], "keyed": {"1": "a"},
    }  # fmt: skip
    assert signature.convert(args, read.converted) == ""
    day = datetime.date(2025, 1, 2)
    assert args == {
        "day": day, "status": Status.WON, "contact": Contact("e", day), "point": Point(1), "pair": (1, "a"),
        "unique": {"x"}, "keyed": {1: "a"},
    }  # fmt: skip


def test_a_type_that_holds_itself_is_plain_where_its_parts_are() -> None:
    def grow(tree: Tree) -> Tree:
        raise NotImplementedError

    read = signature.read(grow)
    assert read.converted == {}
    check = schemas.checker(read.input)
    assert check({"tree": {"name": "a", "branches": [{"name": "b", "branches": []}]}}) == ""
    assert check({"tree": {"name": "a", "branches": [{"name": "b"}]}}) == (
        "/tree/branches/0/branches: expected a value, found none"
    )


def test_a_type_that_cannot_be_a_key_is_read_all_the_same() -> None:
    def odd(
        a: Annotated[str, Meta(extra_json_schema={"pattern": "^x"})], b: Annotated[Status, Odd()]
    ) -> None:
        raise NotImplementedError

    read = signature.read(odd)
    assert read.input["properties"]["a"] == {"type": "string", "pattern": "^x"}
    assert read.converted.keys() == {"b"}


def test_a_default_that_json_cannot_show_is_left_out_of_the_schema() -> None:
    def odd(a: int = 1, b: Any = Opaque()) -> None:  # noqa: B008
        raise NotImplementedError

    properties = signature.read(odd).input["properties"]
    assert properties == {"a": {"type": "integer", "default": 1}, "b": {}}
    assert "required" not in signature.read(odd).input


def test_a_value_that_does_not_convert_is_told() -> None:
    assert (
        signature.convert({"day": "tomorrow"}, {"day": datetime.date}) == "/day: Invalid RFC3339 encoded date"
    )


@pytest.mark.parametrize("silent", [None, Any, dict, dict[str, Any]])
def test_a_silent_return_annotation_gives_no_output_schema(silent: Any) -> None:
    def quiet():  # type: ignore[no-untyped-def]
        raise NotImplementedError

    assert signature.read(quiet).output is None
    quiet.__annotations__["return"] = silent
    assert signature.read(quiet).output is None


def test_a_telling_return_annotation_gives_a_self_contained_output_schema() -> None:
    async def find() -> list[Contact]:
        raise NotImplementedError

    schema = signature.read(find).output
    assert schema is not None
    check = schemas.checker(schema)
    assert check([{"email": "a@b.c", "since": "2025-01-02"}]) == ""
    assert check([{"since": None}]) == "/0/email: expected a value, found none"


def test_keyword_arguments_open_the_schema() -> None:
    def anything(a: int, **more: Any) -> None:
        raise NotImplementedError

    def words(**more: str) -> None:
        raise NotImplementedError

    assert signature.read(anything).input["additionalProperties"] is True
    assert signature.read(words).input["additionalProperties"] == {"type": "string"}
    assert "required" not in signature.read(words).input


def test_the_context_is_no_argument() -> None:
    def by_type(a: int, where: CallContext) -> None:
        raise NotImplementedError

    def by_name(a, ctx):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def perhaps(a: int, ctx: CallContext | None = None) -> None:
        raise NotImplementedError

    def data(ctx: str) -> None:
        raise NotImplementedError

    assert (signature.read(by_type).context, signature.read(by_type).names) == ("where", ("a",))
    assert (signature.read(by_name).context, signature.read(by_name).names) == ("ctx", ("a",))
    assert (signature.read(perhaps).context, signature.read(perhaps).names) == ("ctx", ("a",))
    assert (signature.read(data).context, signature.read(data).names) == ("", ("ctx",))


def test_annotations_in_quotes_are_resolved() -> None:
    def quoted(contact: "Contact", ctx: "CallContext") -> "list[Contact]":
        raise NotImplementedError

    read = signature.read(quoted)
    assert read.context == "ctx"
    assert read.converted == {"contact": Contact}


def test_a_context_that_only_type_checkers_import_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def quoted(a: int, ctx: "CallContext") -> None:
        raise NotImplementedError

    monkeypatch.delitem(globals(), "CallContext")
    assert signature.read(quoted).context == "ctx"


def test_bound_methods_partials_and_callable_objects_are_functions_too() -> None:
    class Desk:
        def find(self, email: str) -> None:
            raise NotImplementedError

        async def __call__(self, email: str) -> None:
            raise NotImplementedError

    def both(desk: int, email: str) -> None:
        raise NotImplementedError

    for function in (Desk().find, Desk(), functools.partial(both, 3)):
        assert signature.read(function).names == ("email",)
    assert not signature.handler(Desk(), ("email",)).sync
    assert signature.handler(Desk().find, ("email",)).sync
    assert not signature.handler(functools.partial(Desk().__call__), ("email",)).sync


def test_what_cannot_be_a_tool_is_one_clear_error() -> None:
    def stars(*args: int) -> None: ...
    def positional(a: int, /) -> None: ...
    def method(self, a: int) -> None: ...  # type: ignore[no-untyped-def]
    def custom(a: Iterable[str], b: int, c: Opaque) -> None: ...
    def result() -> Callable[[], int]: ...
    def gone(a: "Gone") -> None: ...
    def typo(a: "in t") -> None: ...  # type: ignore[syntax] # noqa: F722

    for function, told in (
        (stars, r"\*args cannot be given by name"),
        (positional, "a is positional-only"),
        (method, "self is no argument"),
        (custom, r"a is collections\.abc\.Iterable\[str\], c is Opaque, which JSON has no form for"),
        (result, r"the result is collections\.abc\.Callable\[\[\], int\], which JSON has no form for"),
        (gone, "'Gone' is not defined"),
        (typo, "annotation cannot be resolved"),
        (max, "no signature"),
    ):
        with pytest.raises(BadInput, match=told) as caught:
            signature.read(function)
        assert len(caught.value.problems) == 1


def test_a_handler_must_take_what_it_is_given() -> None:
    def exact(a: int, b: int) -> None: ...
    def fewer(a: int) -> None: ...
    def more(a: int, b: int, c: int) -> None: ...
    def whatever(**args: Any) -> None: ...
    def with_context(a: int, b: int, ctx: CallContext) -> None: ...
    def yields(**args: Any) -> Iterable[int]:
        yield 1

    for good, context in ((exact, ""), (whatever, ""), (with_context, "ctx")):
        assert signature.handler(good, ("a", "b")).context == context
    for bad in (fewer, more, yields, 3):
        with pytest.raises(BadInput):
            signature.handler(bad, ("a", "b"))  # type: ignore[arg-type]
    assert signature.handler(exact, None, 2).sync
    for bad in (fewer, more, yields):
        with pytest.raises(BadInput):
            signature.handler(bad, None, 2)
