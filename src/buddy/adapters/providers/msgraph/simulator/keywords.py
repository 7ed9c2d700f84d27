"""`$search`: words, phrases and `property:value` with AND, OR and NOT, as people type them into a mailbox."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from buddy.adapters.providers.msgraph.simulator.failures import refuse
from buddy.adapters.providers.msgraph.simulator.rendering import plain_text

Test = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(r'(?P<sign>[()])|(?:(?P<name>\w+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s()":]+))', re.I)
_DEPTH = 40


def read(search: str) -> Test:
    """Read a `$search` into a predicate over messages.

    Args:
        search: in quotes, as the vendor wants it, or without.
    """
    text = search.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    found = list(_TOKEN.finditer(text))
    if not found:
        _unreadable(search)
    reader = _Reader(found, search)
    test = reader.either(0)
    if reader.left:
        _unreadable(search)
    return test


class _Reader:
    """Reads terms, one after the other; two beside each other must both be found."""

    def __init__(self, terms: Iterable[re.Match[str]], search: str) -> None:
        self.left = list(terms)
        self._search = search

    def either(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self._next() == "OR":
            self.left.pop(0)
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda message: any(test(message) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._single(depth)]
        while self.left and self._next() not in ("OR", ")"):
            if self._next() == "AND":
                self.left.pop(0)
            tests.append(self._single(depth))
        return tests[0] if len(tests) == 1 else lambda message: all(test(message) for test in tests)

    def _single(self, depth: int) -> Test:
        if not self.left or depth > _DEPTH or self._next() in ("OR", "AND", ")"):
            _unreadable(self._search)
        term = self.left.pop(0)
        if term[0] == "NOT":
            test = self._single(depth + 1)
            return lambda message: not test(message)
        if term["sign"]:
            test = self.either(depth + 1)
            if self._next() != ")":
                _unreadable(self._search)
            self.left.pop(0)
            return test
        return _term(term)

    def _next(self) -> str:
        return self.left[0][0] if self.left else ""


def _term(term: re.Match[str]) -> Test:
    wanted = (term["phrase"] if term["phrase"] is not None else term["word"]).lower()
    name = (term["name"] or "").lower()
    if name == "hasattachments":
        return lambda message: message["hasAttachments"] is (wanted == "true")
    if name not in _FIELDS:  # the vendor looks for what it does not know as for any words
        name, wanted = "", f"{name}:{wanted}"
    pattern = re.compile(rf"(?<!\w){re.escape(wanted.rstrip('*'))}")
    return lambda message: any(pattern.search(text.lower()) for text in _FIELDS[name](message))


def _people(*names: str) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    def found(message: Mapping[str, Any]) -> Iterable[str]:
        for name in names:
            value = message[name]
            for one in value if isinstance(value, list) else [value]:
                yield one["emailAddress"].get("address") or ""
                yield one["emailAddress"].get("name") or ""

    return found


def _subject(message: Mapping[str, Any]) -> Iterable[str]:
    yield message["subject"] or ""


def _body(message: Mapping[str, Any]) -> Iterable[str]:
    yield plain_text(message["body"])


def _anywhere(message: Mapping[str, Any]) -> Iterable[str]:
    yield from _subject(message)
    yield from _body(message)
    yield from _people("from")(message)


_FIELDS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "": _anywhere,
    "subject": _subject,
    "body": _body,
    "from": _people("from"),
    "to": _people("toRecipients"),
    "cc": _people("ccRecipients"),
    "bcc": _people("bccRecipients"),
    "recipients": _people("toRecipients", "ccRecipients", "bccRecipients"),
    "participants": _people("from", "toRecipients", "ccRecipients", "bccRecipients"),
}


def _unreadable(search: str) -> Any:
    refuse(400, "BadRequest", f"Syntax error: the search clause '{search}' cannot be read.")
