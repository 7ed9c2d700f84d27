"""Contracts from loose fields, of a decorator or of a table in a file; every problem is found."""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from buddy.core.schemas import shorten
from buddy.model.contract import ToolContract

_TYPES = {field.name: field.type for field in msgspec.structs.fields(ToolContract)}

_NAMES = "a list of names"
_EXPECTED = {
    "name": "a name of 1 to 256 characters",
    "summary": "a sentence",
    "risk": '"LOW", "MEDIUM" or "HIGH"',
    "effect": '"read" or "write"',
    "undo": '"exact", "equivalent" or "none"',
    "idempotent": "true or false",
    "on_error": '"unknown" or "no_effect"',
    "permissions": _NAMES,
    "resources": 'a list of templates such as "contact:{email}"',
    "depends_on": "a list of tools",
    "timeout_s": "seconds above 0, at most 604,800",
    "max_concurrency": "a whole number of at least 1",
    "rate": "calls (a whole number of at least 1) and seconds (above 0, at most 604,800)",
    "secret_args": "a list of arguments",
    "volatile": "a list of JSON Pointers",
    "input": "a JSON Schema",
    "output": "a JSON Schema",
    "example": "any JSON",
    "version": "a text",
}
"""Field of a contract -> what it takes."""


def declare(
    fields: Mapping[str, Any], base: ToolContract | None = None
) -> tuple[ToolContract | None, list[str]]:
    """Make a contract.

    Args:
        fields: by the names of `ToolContract`.
        base: the contract whose other fields stay as they are.

    Returns:
        The contract, None where a field is wrong, and for each that is one sentence: key, expected, found.
    """
    good: dict[str, Any] = {} if base is None else {key: getattr(base, key) for key in _TYPES}
    problems = []
    for key, value in fields.items():
        if key not in _TYPES:
            problems.append(_unknown(key, value))
            continue
        try:
            good[key] = msgspec.convert(_plain(value), _TYPES[key])
        except (msgspec.ValidationError, TypeError, ValueError, RecursionError):
            problems.append(f"{key}: expected {_EXPECTED[key]}, found {shorten(value)}")
    return (None if problems else ToolContract(**good)), problems


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):  # a set has no order, and the digest of a contract needs one
        value = sorted(value)
    return msgspec.json.decode(msgspec.json.encode(value))


def _unknown(key: str, value: Any) -> str:
    if isinstance(value, dict):
        hint = f' (the name of a tool with a dot in it stands in quotes: [tools."x.{key}"])'
        return f"{key}: expected a field of a contract, found a table{hint}"
    close = difflib.get_close_matches(key, _TYPES, 1)
    if close:
        return f"{key}: expected a field of a contract (did you mean {close[0]}?), found {key}"
    return f"{key}: expected one of {', '.join(_TYPES)}, found {key}"
