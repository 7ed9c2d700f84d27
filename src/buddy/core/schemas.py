"""JSON Schemas: whether one is valid, and one sentence on why a value does not fit it."""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

Checker = Callable[[Any], str]
"""A value -> one sentence on why it does not fit, or an empty string."""

SHOWN = 60
"""Characters of a value that a sentence shows."""


def invalid(schema: Any) -> str:
    """Return one sentence on why this is no usable JSON Schema, or an empty string."""
    try:
        _compile(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as problem:
        return _first_line(problem)
    return ""


def checker(schema: Any) -> Checker:
    """Compile a schema, once for all who have the same; None fits everything.

    Raises:
        ValueError: the schema is invalid.
    """
    if schema is None:
        return _fits
    try:
        return _checker(msgspec.json.encode(schema))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, TypeError) as problem:
        raise ValueError(_first_line(problem)) from problem


def _fits(value: Any) -> str:
    return ""


@lru_cache(maxsize=1024)
def _checker(text: bytes) -> Checker:
    schema = msgspec.json.decode(text)
    validator = _compile(schema)
    is_valid = validator.is_valid

    def check(value: Any) -> str:
        try:
            if is_valid(value):
                return ""
            return _sentence(next(validator.iter_errors(value)), schema)
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            return f"expected JSON, found something else: {_first_line(problem)}"

    return check


def shorten(value: Any) -> str:
    """Show a value as JSON, cut to a length that a sentence can bear."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def resolve(root: Any, reference: str) -> Any:
    """Return what a reference within a schema points at.

    Raises:
        LookupError: nothing, or it leads outside.
    """
    if reference != "#" and not reference.startswith("#/"):
        raise LookupError(reference)
    found = root
    for part in reference.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            if not key.isdecimal():
                raise LookupError(reference)
            found = found[int(key)]
        elif isinstance(found, dict):
            found = found[key]
        else:
            raise LookupError(reference)
    return found


def merge(one: Any, other: Any) -> Any:
    """Join two schemas into one that asks for what both ask for, as far as one schema can."""
    if isinstance(one, bool) or isinstance(other, bool):
        return (other if one else False) if isinstance(one, bool) else (one if other else False)
    merged = dict(one)
    for keyword, value in other.items():
        if keyword not in merged or merged[keyword] == value:
            merged[keyword] = value
        elif keyword in _JOINS:
            merged[keyword] = _JOINS[keyword](merged[keyword], value)
        elif keyword in _APPLIED:
            merged["allOf"] = [*merged.get("allOf", ()), {keyword: value}]
        else:
            merged[keyword] = value
    if "properties" in merged:
        merged["properties"] = _properties(one, other)
    return merged


def _properties(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join properties; what one side does not name has to fit its `additionalProperties`."""
    ours, theirs = one.get("properties", {}), other.get("properties", {})
    return {
        name: merge(
            ours.get(name, one.get("additionalProperties", True)),
            theirs.get(name, other.get("additionalProperties", True)),
        )
        for name in dict.fromkeys([*ours, *theirs])
    }


def _types(one: str | list[str], other: str | list[str]) -> str | list[str]:
    ours, theirs = ([kind] if isinstance(kind, str) else kind for kind in (one, other))
    both = [kind for kind in ours if kind in theirs]
    if "integer" not in both and {"integer", "number"} <= {*ours, *theirs}:
        both = [*(kind for kind in both if kind != "number"), "integer"]
    return both[0] if len(both) == 1 else both


def _common(one: float, other: float) -> float:
    """Return the smallest number that both divide."""
    a, b = Fraction(str(one)), Fraction(str(other))
    common = Fraction(math.lcm(a.numerator, b.numerator), math.gcd(a.denominator, b.denominator))
    return int(common) if common.denominator == 1 else float(common)


_APPLIED = ("$ref", "anyOf", "oneOf", "not", "if", "contains", "patternProperties", "pattern")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
# keyword -> how its two values become one that asks for both.
_JOINS: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_LOWER, max),
    **dict.fromkeys(_UPPER, min),
    "type": _types,
    "required": lambda one, other: [*one, *(name for name in other if name not in one)],
    "enum": lambda one, other: [value for value in one if value in other],
    "allOf": lambda one, other: [*one, *other],
    "items": merge,
    "additionalProperties": merge,
    "propertyNames": merge,
    "multipleOf": _common,
    "uniqueItems": lambda one, other: one or other,
    "$defs": lambda one, other: one | other,
}


def _compile(schema: Any) -> "jsonschema_rs.Validator":
    return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=_stay_inside)


def _stay_inside(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of the schema; put it under $defs")


def _first_line(problem: BaseException) -> str:
    text = getattr(problem, "message", None) or str(problem)
    line = str(text).strip().split("\n", 1)[0]
    return line if len(line) <= 4 * SHOWN else f"{line[: 4 * SHOWN]}..."


# keyword -> what was expected, from the keyword's facts; what is missing here is told by its keyword alone.
_EXPECTED: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "type": lambda it: " or ".join(it["types"]),
    "enum": lambda it: "one of " + shorten(it["options"]).strip("[]"),
    "const": lambda it: shorten(it["expected_value"]),
    "format": lambda it: f"a string in the format {it['format']}",
    "pattern": lambda it: f"a string that matches {it['pattern']}",
    "minimum": lambda it: f"at least {it['limit']}",
    "maximum": lambda it: f"at most {it['limit']}",
    "exclusiveMinimum": lambda it: f"more than {it['limit']}",
    "exclusiveMaximum": lambda it: f"less than {it['limit']}",
    "multipleOf": lambda it: f"a multiple of {it['multiple_of']}",
    "minLength": lambda it: f"at least {it['limit']} characters",
    "maxLength": lambda it: f"at most {it['limit']} characters",
    "minItems": lambda it: f"at least {it['limit']} items",
    "maxItems": lambda it: f"at most {it['limit']} items",
    "minProperties": lambda it: f"at least {it['limit']} entries",
    "maxProperties": lambda it: f"at most {it['limit']} entries",
    "uniqueItems": lambda it: "items that all differ",
    "anyOf": lambda it: _any_of(it["context"]),
    "oneOf": lambda it: _any_of(it["context"]),
    "falseSchema": lambda it: "nothing",
}


def _sentence(error: jsonschema_rs.ValidationError, schema: Any) -> str:
    path = list(error.instance_path)
    facts = error.kind.as_dict()
    match error.kind.name:
        case "required":
            return f"{pointer([*path, facts['property']])}: expected a value, found none"
        case "additionalProperties" | "unevaluatedProperties":
            name = facts["unexpected"][0]
            known = "" if path else ", ".join(schema.get("properties", ()))
            hint = f"one of {known}" if known else "no entry of this name"
            return f"{pointer([*path, name])}: expected {hint}, found {name}"
        case name:
            told = _EXPECTED.get(name)
            expected = told(facts) if told else f"a value that satisfies {name}"
            return f"{pointer(path) or '/'}: expected {expected}, found {shorten(error.instance)}"


def _any_of(branches: list[list[jsonschema_rs.ValidationError]]) -> str:
    """Join the types that the branches ask for; branches that ask for more are told by what they miss."""
    wants = []
    for branch in branches:
        for error in branch[:1]:
            expected = _EXPECTED.get(error.kind.name)
            at = pointer(error.instance_path)
            wants.append(expected(error.kind.as_dict()) if expected else f"{error.kind.name} at {at or '/'}")
    return " or ".join(dict.fromkeys(wants)) or "one of several forms"
