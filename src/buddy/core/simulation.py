"""Made-up numbers and results that are the same for the same seed and keys."""

import hashlib
import math
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, NamedTuple

import msgspec

from buddy.core import samples, schemas

ATTEMPTS = 12
"""Values tried before a schema is given up on; each is checked against the whole schema."""

DEPTH = 4
"""References within one another below which only what is required is filled in."""

RECURSION = 16
"""References within one another that are followed before a schema is taken for endless."""

# keyword -> the type that it speaks of, for schemas that do not name one.
_IMPLIED = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "minProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "uniqueItems", "contains"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}


def draw(seed: int, *key: str | int) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the key."""
    return (_bits(seed, key) >> 11) / 2**53


def value_from_schema(schema: dict[str, Any] | bool, seed: int, *key: str | int) -> Any:
    """Make up a value that fits a JSON Schema.

    Optional properties are filled in, arrays hold an item where they may, and what can be null is not,
    so that whoever reads the value finds something everywhere.

    Args:
        schema: self-contained, of draft 2020-12.
        seed: of the simulation.
        key: what the value is for; the same seed and key give the same value.

    Returns:
        The value; where the schema asks for what cannot be made up (`not`, `if`, contradictions) the last
        one tried, which does not fit.

    Raises:
        ValueError: it is no JSON Schema.
    """
    check = schemas.checker(schema)
    value = None
    for attempt in range(ATTEMPTS):
        try:
            value = _Maker(schema, seed, (*key, attempt), attempt).make(schema, _Place("", False, ()))
        except _Impossible:
            continue
        if not check(value):
            break
    return value


def _bits(seed: int, key: tuple[str | int, ...]) -> int:
    data = msgspec.json.encode((str(seed), key))
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


class _Impossible(Exception):
    """No value fits, as far as one can see from here."""


class _Place(NamedTuple):
    """Where in the value one is.

    Attributes:
        path: of the part being made; every choice is drawn by it.
        lean: leave out what may be left out, because a recursion has to end.
        within: the references followed on the way here.
    """

    path: str
    lean: bool
    within: tuple[str, ...]

    def at(self, part: str | int) -> "_Place":
        return self._replace(path=f"{self.path}/{part}")


class _Maker:
    """Makes one value."""

    def __init__(self, root: Any, seed: int, key: tuple[str | int, ...], stretch: int) -> None:
        self.root, self.seed, self.key, self.stretch = root, seed, key, stretch
        self.detours: Mapping[str, Callable[[Any, dict[str, Any], _Place], Any]] = {
            "$ref": self.referred,
            "allOf": self.all_of,
            "anyOf": self.branch,
            "oneOf": self.branch,
        }
        self.makers: Mapping[str, Callable[[dict[str, Any], _Place], Any]] = {
            "object": self.object,
            "array": self.array,
            "string": self.string,
            "number": self.number,
            "integer": self.number,
            "boolean": lambda schema, place: bool(self.pick(2, place)),
            "null": lambda schema, place: None,
        }

    def pick(self, below: int, place: _Place, what: str = "") -> int:
        return _bits(self.seed, (*self.key, place.path, what)) % below

    def make(self, schema: Any, place: _Place) -> Any:
        if isinstance(schema, bool):
            if not schema:
                raise _Impossible
            schema = {}
        for keyword, follow in self.detours.items():
            if keyword in schema:
                rest = {key: value for key, value in schema.items() if key != keyword}
                return follow(schema[keyword], rest, place)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.option(schema, place)
        kind = self.type(schema, place)
        return self.makers[kind](schema if schema.get("type") == kind else {**schema, "type": kind}, place)

    def referred(self, reference: str, rest: dict[str, Any], place: _Place) -> Any:
        if len(place.within) >= RECURSION:
            raise _Impossible
        try:
            target = schemas.resolve(self.root, reference)
        except LookupError:
            raise _Impossible from None
        lean = place.lean or reference in place.within or len(place.within) >= DEPTH
        return self.make(schemas.merge(rest, target), _Place(place.path, lean, (*place.within, reference)))

    def all_of(self, parts: list[Any], rest: dict[str, Any], place: _Place) -> Any:
        merged: Any = rest
        for part in parts:
            merged = schemas.merge(merged, part)
        return self.make(merged, place)

    def branch(self, options: list[Any], rest: dict[str, Any], place: _Place) -> Any:
        """Follow one of several branches: one with content, or the smallest where it has to end."""
        branches = [schemas.merge(rest, option) for option in options]
        if place.lean:
            branches.sort(key=_weight)
        elif full := [branch for branch in branches if _weight(branch)]:
            start = self.pick(len(full), place, "branch")
            branches = full[start:] + full[:start] + [branch for branch in branches if not _weight(branch)]
        for branch in branches:
            try:
                return self.make(branch, place)
            except _Impossible:
                continue
        raise _Impossible

    def option(self, schema: dict[str, Any], place: _Place) -> Any:
        options = schema["enum"]
        if "type" in schema:
            check = schemas.checker({"type": schema["type"]})
            options = [option for option in options if not check(option)]
        if not options:
            raise _Impossible
        return options[self.pick(len(options), place)]

    def type(self, schema: dict[str, Any], place: _Place) -> str:
        kind = schema.get("type")
        if kind is None:
            return next((implied for word, implied in _IMPLIED.items() if word in schema), "string")
        kinds = [kind] if isinstance(kind, str) else kind
        full = kinds if place.lean and "null" in kinds else [one for one in kinds if one != "null"] or kinds
        if not full:
            raise _Impossible
        chosen: str = "null" if place.lean and "null" in kinds else full[self.pick(len(full), place, "type")]
        return chosen

    def object(self, schema: dict[str, Any], place: _Place) -> Any:
        known, required = schema.get("properties", {}), schema.get("required", [])
        others = schema.get("additionalProperties", True)
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", math.inf)
        made = {name: self.make(known.get(name, others), place.at(name)) for name in required}
        for name in known:
            if name in made or len(made) >= (least if place.lean else most):
                continue
            try:
                made[name] = self.make(known[name], place.at(name))
            except _Impossible:  # what is not required is left out
                continue
        for number in range(2 * least):
            if len(made) >= least:
                break
            name = self.make(
                schemas.merge({"type": "string"}, schema.get("propertyNames", True)), place.at(f"#{number}")
            )
            if name not in made:
                made[name] = self.make(others, place.at(name))
        return made

    def array(self, schema: dict[str, Any], place: _Place) -> Any:
        heads, rest, unique = (
            schema.get("prefixItems", []),
            schema.get("items", True),
            schema.get("uniqueItems"),
        )
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        wanted = schema.get("minContains", 1) if "contains" in schema else 0
        length = max(least, wanted, 0 if place.lean else max(len(heads), 1))
        made: list[Any] = []
        for number in range(int(min(length, most))):
            form = heads[number] if number < len(heads) else rest
            if number < wanted:
                form = schemas.merge(form, schema["contains"])
            try:
                made.append(self.item(form, place.at(number), made if unique else []))
            except _Impossible:
                if len(made) < max(least, wanted):
                    raise
                break
        return made

    def item(self, form: Any, place: _Place, others: list[Any]) -> Any:
        """Make an item that differs from the others."""
        for again in range(2 * ATTEMPTS):
            value = self.make(form, place.at(again) if again else place)
            if value not in others:
                return value
        raise _Impossible

    def string(self, schema: dict[str, Any], place: _Place) -> Any:
        numbers = count()
        made = samples.text(schema, lambda below: self.pick(below, place, f"{next(numbers)}"), self.stretch)
        if made is None:
            raise _Impossible
        return made

    def number(self, schema: dict[str, Any], place: _Place) -> Any:
        made = samples.number(schema, lambda below: self.pick(below, place))
        if made is None:
            raise _Impossible
        return made


def _weight(schema: Any) -> int:
    """Return how much a branch holds: nothing, a scalar, a container, or what a reference leads to."""
    if (
        not isinstance(schema, dict)
        or schema.get("type") == "null"
        or ("const" in schema and schema["const"] is None)
    ):
        return 0
    if "$ref" in schema or "anyOf" in schema or "oneOf" in schema or "allOf" in schema:
        return 3
    return 2 if schema.get("type") in ("object", "array") else 1
