"""From bytes to documents: strict, and with every problem of an input in one go.

The fast road is one typed decode. Only an input that it refuses is looked at again, slowly, to say
everything that is wrong with it and where.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

import jsonschema_rs
import msgspec

from buddy.core.planning import bad_input, checked, named, shown
from buddy.errors import BadInput
from buddy.model.plan import Plan, PlanDocument, StepDocument

MAX_INTEGER_DIGITS = 400
_plan_decoder = msgspec.json.Decoder(PlanDocument)


class _Duplicate(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


class _Refused(Exception):
    pass


def plan_document(data: bytes, place: str) -> PlanDocument:
    """Read one plan.

    Args:
        data: JSON text of one plan.
        place: where it comes from, for the errors.

    Raises:
        BadInput: with every problem of the text; the first `MAX_PROBLEMS` are listed.
    """
    refuse_duplicate_keys(data, place)
    return known_document(data, place)


D = TypeVar("D", bound=msgspec.Struct)


def document_of(data: bytes, kind: type[D], place: str) -> D:
    """Read one JSON object as a struct type.

    Args:
        data: JSON text.
        kind: the struct type.
        place: where it comes from, for the errors.

    Raises:
        BadInput: with every problem of the text; the first `MAX_PROBLEMS` are listed.
    """
    refuse_duplicate_keys(data, place)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        explain(data, kind, place, problem)


def known_document(data: bytes, place: str) -> PlanDocument:
    """Read one plan of a text that `plan_document` has accepted before, in half the time.

    Raises:
        BadInput: as `plan_document`, but for keys that are named twice.
    """
    try:
        return _plan_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        explain(data, PlanDocument, place, problem)


def plan_from_object(value: Any, place: str) -> PlanDocument:
    """Read one plan that is already a Python dict, or a `PlanDocument`.

    Raises:
        BadInput: with every problem.
    """
    try:
        data = json.dumps(value, allow_nan=False, default=_fields).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadInput(f"{place}: expected a plan made of JSON values: {problem}") from problem
    return plan_document(data, place)


def plan_from_plan(plan: Plan, place: str) -> Plan:
    """Read a plan that was made in Python as if it had come from a file.

    Raises:
        BadInput: with every problem.
    """
    try:
        data = json.dumps(plan, allow_nan=False, default=_fields).encode()
        return checked(msgspec.json.decode(data, type=Plan), place)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as problem:
        raise BadInput(f"{place}: expected a plan made of JSON values: {problem}") from problem


def _fields(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    raise TypeError(f"found {shown(value)} of type {type(value).__name__}")


def _check_pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        times = Counter(key for key, _ in pairs)
        raise _Duplicate(next(key for key, count in times.items() if count > 1))


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"expected a number, found {name}")


def _check_integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise _Refused(f"expected a number, found one of {len(text):,} digits")
    return 0


def _check_float(text: str) -> float:
    if math.isinf(float(text)):
        raise _Refused(f"expected a number of double precision, found {shown(text)}")
    return 0.0


_scanner = json.JSONDecoder(
    object_pairs_hook=_check_pairs,
    parse_constant=_refuse_constant,
    parse_int=_check_integer,
    parse_float=_check_float,
)


def is_cut_short(line: bytes) -> bool:
    """Whether a line of UTF-8 begins a JSON text that goes on after it."""
    text = line.decode(errors="replace").strip()
    try:
        _scanner.decode(text)
    except json.JSONDecodeError as problem:
        # No JSON token holds a line break, so a text that goes on stops between two tokens.
        return 0 < problem.pos == len(text)
    except (_Duplicate, _Refused, RecursionError):
        return False
    return False


def refuse_duplicate_keys(data: bytes, place: str) -> None:
    """Refuse text that is not JSON, or an object that names a key twice.

    Raises:
        BadInput: one sentence.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        found = f"byte {data[problem.start]:#04x} at offset {problem.start:,}"
        raise BadInput(f"{place}: expected UTF-8 text, found {found}") from problem
    if not text.strip():
        raise BadInput(f"{place}: expected a JSON object, found nothing")
    try:
        _scanner.decode(text)
    except _Duplicate as problem:
        found = f"found {shown(problem.key)} twice in one object"
        raise BadInput(f"{place}: expected each key once, {found}") from problem
    except _Refused as problem:
        raise BadInput(f"{place}: {problem}") from problem
    except json.JSONDecodeError as problem:
        line = f"line {problem.lineno} " if problem.lineno > 1 else ""
        where = f"{line}column {problem.colno}"
        raise BadInput(f"{place}: expected JSON, found a syntax error at {where}: {problem.msg}") from problem
    except RecursionError as problem:
        raise BadInput(f"{place}: expected JSON of reasonable depth, found too many levels") from problem


def explain(data: bytes, kind: type[Any], place: str, problem: Exception) -> NoReturn:
    """Raise everything that is wrong with a document that a typed decode refused.

    Args:
        data: the text, known to be JSON.
        kind: the struct type that it should be.
        place: where it comes from.
        problem: what the decode said, used where the schema finds nothing to add.

    Raises:
        BadInput: always.
    """
    try:
        value = json.loads(data)
        # First, as no JSON Schema can look at it.
        halves = list(_halves(value, ""))
        refusal = bad_input(place, iter(halves) if halves else _sentences(value, kind))
    except (ValueError, RecursionError):
        refusal = bad_input(place, iter(()))
    if not refusal.problems:
        refusal = bad_input(place, iter([sentence_of(problem)]))
    raise refusal from problem


def _halves(value: Any, place: str) -> Iterator[str]:
    """Yield where a text has half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    match value:
        case str() if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
            told = f"expected Unicode text, found {shown(value)}, with half of a surrogate pair"
            yield f"{place.lstrip('.: ') or 'the document'}: {told}"
        case dict():
            for key, item in value.items():
                yield from _halves(key, f"{place}: key")
                yield from _halves(item, f"{place}.{named(key)}")
        case list():
            for number, item in enumerate(value):
                yield from _halves(item, f"{place}[{number}]")
        case _:
            return


def sentence_of(problem: Exception) -> str:
    """Return what a typed decode said in the words of the other sentences."""
    sentence, _, path = str(problem).partition(" - at `$")
    where = path.rstrip("`").lstrip(".") or "the document"
    told = f"{where}: {sentence[:1].lower()}{sentence[1:].replace(', got', ', found')}"
    # It quotes keys of the input as they are, however long.
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in told[:300])


_schemas: dict[type[Any], dict[str, Any]] = {}
_validators: dict[type[Any], Any] = {}


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """Return the published JSON Schema of a struct type."""
    if kind not in _schemas:
        schema = msgspec.json.schema(kind)
        _schemas[kind] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return _schemas[kind]


def _validator_of(kind: type[Any]) -> Any:
    if kind not in _validators:
        _validators[kind] = jsonschema_rs.validator_for(schema_of(kind))
    return _validators[kind]


_LIMITS: dict[str, str] = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def problems_of(value: Any, kind: type[Any]) -> list[str]:
    """Return one sentence for each place where a JSON value breaks the schema of a struct type."""
    return list(_sentences(value, kind))


def _sentences(value: Any, kind: type[Any]) -> Iterator[str]:
    for where, piece, its_kind in _pieces(value, kind):
        sentences: dict[str, None] = {}
        for error in _validator_of(its_kind).iter_errors(piece):
            for leaf in _leaves(error):
                place = f"{where}{_dotted(leaf.instance_path)}".lstrip(".") or "the document"
                for sentence in _told(leaf):
                    sentences[f"{place}: {sentence}"] = None
        yield from sentences


def _pieces(value: Any, kind: type[Any]) -> Iterator[tuple[str, Any, type[Any]]]:
    """Yield what a schema looks at in one go, as it makes several copies of it: a plan without its steps."""
    steps = value.get("steps") if kind is PlanDocument and isinstance(value, dict) else None
    if not isinstance(steps, dict):
        yield "", value, kind
        return
    yield "", {**value, "steps": {name: {} for name in steps}}, kind
    for name, entry in steps.items():
        yield f".steps.{named(name)}", entry, StepDocument


def _leaves(error: Any) -> Iterator[Any]:
    """Yield what is wrong in the end; 'or null' is no help to who gave another value."""
    match error.kind.name:
        case "anyOf":
            for branch in error.kind.context:
                for inner in branch:
                    yield from _leaves(inner)
        case "propertyNames":
            yield from _leaves(error.kind.error)
        case "type" if error.kind.types == ["null"]:
            return
        case _:
            yield error


def _told(error: Any) -> Iterator[str]:
    kind = error.kind
    match kind.name:
        case "additionalProperties":
            for key in kind.unexpected:
                yield f"expected no unknown keys, found {shown(key)}"
        case "required":
            yield f"expected the key {shown(kind.property)}, found none"
        case name if name in _LIMITS:
            yield f"expected {_LIMITS[name].format(kind.limit)}, found {_json(error.instance)}"
        case "type":
            yield f"expected {' or '.join(kind.types)}, found {_json(error.instance)}"
        case "enum":
            yield f"expected one of {', '.join(map(str, kind.options))}, found {_json(error.instance)}"
        case "pattern":
            yield (
                f"expected a text without '[', ']', '#' and control characters, found {_json(error.instance)}"
            )
        case name:
            yield f"expected what '{name}' of the schema asks for, found {_json(error.instance)}"


def _dotted(path: list[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{named(part)}" for part in path)
    return "".join(parts)


_WORDS = {None: "null", True: "true", False: "false"}


def _json(value: Any) -> str:
    """Show a value as JSON spells it where Python spells it otherwise."""
    return _WORDS[value] if value is None or isinstance(value, bool) else shown(value)
