"""Contracts as a set: whether they hold together, and what a call of one of them touches."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from buddy.core import references, schemas
from buddy.core.canonical import canonical
from buddy.model.contract import ToolContract
from buddy.model.mode import Risk, Undo
from buddy.model.plan import Claim

LISTED = 5
"""Tools that a warning names before it counts the rest."""

_PLACEHOLDER = re.compile(r"\{([^{}\[\].:!\s]+)\}")
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")

Part = tuple[str, str]
"""Literal text, and the argument whose value follows it (empty at the end)."""


def validate(
    contracts: Iterable[ToolContract],
    handlers: Mapping[str, frozenset[str]] | None = None,
    places: Mapping[str, str] | None = None,
    vouched: Collection[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check contracts as a set.

    Args:
        contracts: all of a catalogue, names unique.
        handlers: tool -> which handlers it has; a tool without `live` is known by its contract alone.
        places: tool -> the file that declares it.
        vouched: tools that are known to hold by themselves, as compiling their schemas costs time and memory.

    Returns:
        Problems, which make the catalogue unusable, and warnings, one for each place and kind.
    """
    known = {contract.name: contract for contract in contracts}
    handlers, places = handlers or {}, places or {}
    problems = [
        f"{_at(places, name)}tool {name}: {problem}"
        for name, contract in known.items()
        if name not in vouched
        for problem in _problems(contract, handlers.get(name, frozenset()), known)
    ]
    problems += [
        f"{_at(places, cycle[0])}tools depend on one another in a circle: {' -> '.join(cycle)}"
        for cycle in _cycles(_edges(known))
    ]
    bare: dict[str, list[str]] = {}
    for name, contract in known.items():
        if contract.writes and not contract.resources:
            bare.setdefault(_at(places, name), []).append(name)
    return tuple(problems), tuple(_bare(place, names) for place, names in bare.items())


def resources_of(contract: ToolContract, args: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a call touches, in the order of the contract's templates.

    A template whose argument is missing, None or not resolved yet names nothing. Values other than text
    are written as canonical JSON.
    """
    named = []
    for parts in _compiled(contract.resources):
        filled = _fill(parts, args)
        if filled is not None:
            named.append(filled)
    return tuple(named)


def claims_of(
    contract: ToolContract,
    args: Mapping[str, Any],
    extra: tuple[Claim, ...] = (),
    named: tuple[str, ...] | None = None,
) -> tuple[tuple[str, bool], ...]:
    """Return what a call lays claim to: (resource, is it a write), by name.

    A write that names nothing claims `tool:NAME`. While an argument of a template is a reference, what it
    will name is open and the call claims no more than the rest.

    Args:
        contract: of the tool.
        args: of the call.
        extra: what the plan adds; it never replaces.
        named: what `resources_of` says, where that is known.
    """
    writes = contract.writes
    if named is None:
        named = resources_of(contract, args)
    if not named:
        if writes and not any(_is_open(args.get(name)) for name in _arguments(contract)):
            named = (f"tool:{contract.name}",)
        elif not extra:
            return ()
    if len(named) == 1 and not extra:
        return ((named[0], writes),)
    claims = dict.fromkeys(named, writes)
    for claim in extra:
        claims[claim.resource] = claims.get(claim.resource, False) or claim.access == "write"
    return tuple(sorted(claims.items()))


def prerequisites(contracts: Iterable[ToolContract]) -> dict[str, tuple[str, ...]]:
    """Return, for each tool that depends on others, all tools that go before it, directly or not.

    They stand in an order in which each comes after its own. Tools outside of the catalogue count.

    Raises:
        ValueError: the tools depend on one another in a circle.
    """
    edges = _edges({contract.name: contract for contract in contracts})
    before: dict[str, tuple[str, ...]] = {}
    for name in _sorted(edges):
        chain: dict[str, None] = {}
        for needed in edges.get(name, ()):
            chain |= dict.fromkeys(before.get(needed, ()))
            chain[needed] = None
        if chain:
            before[name] = tuple(chain)
    return before


def _at(places: Mapping[str, str], name: str) -> str:
    return f"{places[name]}: " if name in places else ""


def _problems(
    contract: ToolContract, handlers: frozenset[str], known: Mapping[str, ToolContract]
) -> Iterator[str]:
    for needed in contract.depends_on:
        if needed not in known:
            yield f"depends_on: expected a tool of the catalogue, found {needed}"
    if contract.risk is Risk.HIGH and not contract.permissions:
        yield "permissions: expected at least one, because its risk is HIGH, found none"
    yield from _undo_problems(contract, handlers)
    yield from _shape_problems(contract)
    for template in contract.resources:
        yield from _template_problems(contract, template)
    for pointer in contract.volatile:
        if not _POINTER.fullmatch(pointer) or not pointer:
            yield f"volatile: expected JSON Pointers such as /0/after/at, found {schemas.shorten(pointer)}"
    for name in contract.secret_args:
        if not _takes(contract, name):
            yield f"secret_args: expected arguments of the input schema, found {name}"


def _undo_problems(contract: ToolContract, handlers: frozenset[str]) -> Iterator[str]:
    undoes = "undo" in handlers
    if undoes and not contract.writes:
        yield "undo: expected no handler, because it is a read, found one"
    elif undoes and contract.undo is Undo.NONE:
        yield 'undo: expected "exact" or "equivalent", because it has an undo handler, found "none"'
    elif contract.writes and contract.undo is not Undo.NONE and "live" in handlers and not undoes:
        yield f'undo: expected an undo handler, because the contract says "{contract.undo.value}", found none'


def _shape_problems(contract: ToolContract) -> Iterator[str]:
    for field, schema in (("input", contract.input), ("output", contract.output)):
        if schema is not None and (why := schemas.invalid(schema)):
            yield f"{field}: expected a JSON Schema: {why}"
            return
    if contract.example is not msgspec.UNSET and (why := schemas.checker(contract.output)(contract.example)):
        yield f"example: expected a result that fits the output schema: {why}"
    kind = (contract.input or {}).get("type", "object")
    if kind != "object":
        yield f"input: expected the schema of an object, found type {schemas.shorten(kind)}"


def _template_problems(contract: ToolContract, template: str) -> Iterator[str]:
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        yield f"resources: expected {{argument}} as the only placeholders, found {template}"
        return
    for name in _PLACEHOLDER.findall(template):
        if not _takes(contract, name):
            known = ", ".join((contract.input or {}).get("properties", {})) or "none"
            yield f"resources: expected arguments of the input schema ({known}), found {name} in {template}"
        elif name in contract.secret_args:
            yield f"resources: expected no secret in a name that is written down, found {name} in {template}"


def _takes(contract: ToolContract, name: str) -> bool:
    """Whether an argument can be given; a schema that is not there or not closed takes any."""
    schema = contract.input
    if schema is None or name in schema.get("properties", {}):
        return True
    return schema.get("additionalProperties", True) is not False or "$ref" in schema or "allOf" in schema


def _bare(place: str, names: list[str]) -> str:
    listed = ", ".join(names[:LISTED])
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    if len(names) == 1:
        return f"{place}1 write names no resources and claims tool:{names[0]} as a whole"
    return f"{place}{len(names):,} writes name no resources and claim tool:NAME as a whole: {listed}{more}"


def _arguments(contract: ToolContract) -> Iterator[str]:
    return (name for parts in _compiled(contract.resources) for _, name in parts if name)


@lru_cache(maxsize=4096)
def _compiled(templates: tuple[str, ...]) -> tuple[tuple[Part, ...], ...]:
    return tuple(tuple(_parts(template)) for template in templates)


def _parts(template: str) -> Iterator[Part]:
    end = 0
    for found in _PLACEHOLDER.finditer(template):
        yield template[end : found.start()], found[1]
        end = found.end()
    if end < len(template) or not end:
        yield template[end:], ""


def _fill(parts: tuple[Part, ...], args: Mapping[str, Any]) -> str | None:
    text = ""
    for literal, name in parts:
        if not name:
            return text + literal
        value = args.get(name)
        if value is None:
            return None
        if type(value) is str:
            text += literal + value
        elif _is_open(value):
            return None
        else:
            text += literal + canonical(value).decode()
    return text


def _is_open(value: Any) -> bool:
    """Whether a value is, or holds, what another step has yet to return."""
    return references.has_references({"": value}) or references.has_unknown(value)


def _edges(known: Mapping[str, ToolContract]) -> dict[str, tuple[str, ...]]:
    return {name: contract.depends_on for name, contract in known.items()}


def _cycles(edges: Mapping[str, tuple[str, ...]]) -> list[list[str]]:
    """Return a circle for each edge that closes one on a walk in the order given."""
    cycles = []
    done: set[str] = set()
    for start in edges:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(edges[start])}
        while path:
            name = next(reversed(path))
            needed = next(path[name], None)
            if needed is None:
                del path[name]
                done.add(name)
            elif needed in path:
                names = list(path)
                cycles.append([*names[names.index(needed) :], needed])
            elif needed not in done:
                path[needed] = iter(edges.get(needed, ()))
    return cycles


def _sorted(edges: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    ready: set[str] = set()
    for start in edges:
        path: dict[str, Iterator[str]] = {} if start in ready else {start: iter(edges[start])}
        while path:
            name = next(reversed(path))
            needed = next((one for one in path[name] if one not in ready), None)
            if needed is None:
                del path[name]
                ready.add(name)
                yield name
            elif needed in path:
                raise ValueError(f"tools depend on one another in a circle through {needed}")
            else:
                path[needed] = iter(edges.get(needed, ()))
