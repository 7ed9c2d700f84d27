"""`$filter`: the part of OData's language that the vendor takes for messages, read into a predicate.

or      = and { "or" and }
and     = not { "and" not }
not     = "not" not | "(" or ")" | call | compare
call    = ("contains" | "startswith" | "endswith") "(" path "," literal ")" | path "/any(" var ":" or ")"
compare = path ("eq" | "ne" | "gt" | "ge" | "lt" | "le") literal
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from msgspec import Struct

from buddy.adapters.providers.msgraph.simulator.bodies import PROPERTIES
from buddy.adapters.providers.msgraph.simulator.failures import bad_query, no_property, refuse

Test = Callable[[Mapping[str, Any]], bool]

DEPTH = 40
"""Levels of parentheses and negations that are read."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_$][\w.$-]*(?:/[A-Za-z_$][\w.$-]*)*)|(?P<sign>[(),:]))"
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_CALLS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_COLLECTIONS = {"categories": ("",), "singleValueExtendedProperties": ("id", "value")}
_INNER: Mapping[str, tuple[str, ...]] = {
    "from": ("emailAddress/address", "emailAddress/name"),
    "sender": ("emailAddress/address", "emailAddress/name"),
    "flag": ("flagStatus",),
    "body": ("content", "contentType"),
}
_PLAIN = PROPERTIES - {*_INNER, *_COLLECTIONS, "attachments", "extensions", "multiValueExtendedProperties"}
_UNFILTERED = frozenset(
    {"toRecipients", "ccRecipients", "bccRecipients", "replyTo", "internetMessageHeaders"}
)


class Filter(Struct, frozen=True, kw_only=True):
    """A filter that was read.

    Attributes:
        matches: whether a message passes.
        paths: the properties that it names, in order.
    """

    matches: Test
    paths: tuple[str, ...]


def read(text: str) -> Filter:
    """Read a `$filter`; refuse one that the vendor does not take."""
    reader = _Reader(_tokens(text))
    matches = reader.either("", 0)
    if reader.peek() is not None:
        _unreadable()
    return Filter(matches=matches, paths=tuple(reader.paths))


def value_at(message: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path of a message, None where there is nothing."""
    found: Any = message
    for part in path.split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class _Reader:
    """Reads tokens, one after the other."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0
        self.paths: list[str] = []

    def peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def take(self, wanted: str = "") -> tuple[str, str]:
        if self._at == len(self._tokens):
            _unreadable()
        kind, text = self._tokens[self._at]
        if wanted and text.lower() != wanted:
            _unreadable()
        self._at += 1
        return kind, text

    def either(self, variable: str, depth: int) -> Test:
        tests = [self.both(variable, depth)]
        while (self.peek() or "").lower() == "or":
            self.take()
            tests.append(self.both(variable, depth))
        return tests[0] if len(tests) == 1 else lambda message: any(test(message) for test in tests)

    def both(self, variable: str, depth: int) -> Test:
        tests = [self.single(variable, depth)]
        while (self.peek() or "").lower() == "and":
            self.take()
            tests.append(self.single(variable, depth))
        return tests[0] if len(tests) == 1 else lambda message: all(test(message) for test in tests)

    def single(self, variable: str, depth: int) -> Test:
        if depth > DEPTH:
            refuse(400, "BadRequest", "The recursion limit has been exceeded.")
        kind, text = self.take()
        if text.lower() == "not" and kind == "word":
            test = self.single(variable, depth + 1)
            return lambda message: not test(message)
        if text == "(" and kind == "sign":
            test = self.either(variable, depth + 1)
            self.take(")")
            return test
        if kind != "word":
            _unreadable()
        if text.lower() in _CALLS:
            return self._call(_CALLS[text.lower()], variable)
        if text.endswith("/any"):
            return self._any(text.removesuffix("/any"), variable, depth)
        return self._compare(self._path(text, variable))

    def _call(self, holds: Callable[[str, str], bool], variable: str) -> Test:
        self.take("(")
        path = self._path(self.take()[1], variable)
        self.take(",")
        part = _literal(*self.take())
        self.take(")")
        if not isinstance(part, str):
            _unreadable()
        return lambda message: holds(str(value_at(message, path) or "").lower(), part)

    def _any(self, collection: str, variable: str, depth: int) -> Test:
        if variable or collection not in _COLLECTIONS:
            why = "The query filter contains one or more invalid nodes."
            refuse(400, "ErrorInvalidUrlQueryFilter", why)
        self.take("(")
        inner = f"{collection}:{self.take()[1]}"
        self.take(":")
        self.paths.append(collection)
        test = self.either(inner, depth + 1)
        self.take(")")
        if collection == "categories":
            return lambda message: any(test({"": entry}) for entry in message[collection])
        return lambda message: any(test(entry) for entry in message[collection])

    def _compare(self, path: str) -> Test:
        word = self.take()[1].lower()
        if word not in _COMPARE:
            _unreadable()
        holds, wanted = _COMPARE[word], _literal(*self.take())

        def test(message: Mapping[str, Any]) -> bool:
            found = value_at(message, path)
            found = _time(found) if isinstance(wanted, datetime) else found
            found = found.lower() if isinstance(found, str) else found
            if word not in ("eq", "ne") and type(found) is not type(wanted):
                return False
            return holds(found, wanted)

        return test

    def _path(self, path: str, variable: str) -> str:
        """Check a path; within a lambda, return what of it belongs to the entry."""
        if variable:
            collection, _, name = variable.partition(":")
            head, _, rest = path.partition("/")
            if head != name or rest not in _COLLECTIONS[collection]:
                no_property(path)
            return rest
        head, _, rest = path.partition("/")
        if head in _UNFILTERED:
            why = "The query filter contains one or more invalid nodes."
            refuse(400, "ErrorInvalidUrlQueryFilter", why)
        if (head not in _PLAIN or rest) and rest not in _INNER.get(head, ()):
            no_property(path)
        self.paths.append(path)
        return path


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            _unreadable()
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _literal(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace("''", "'").lower()
    if kind == "time":
        return _time(text) or _unreadable()
    if kind == "number":
        return float(text)
    words = {"true": True, "false": False, "null": None}
    if kind != "word" or text.lower() not in words:
        _unreadable()
    return words[text.lower()]


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _unreadable() -> NoReturn:
    bad_query("Invalid filter clause")
