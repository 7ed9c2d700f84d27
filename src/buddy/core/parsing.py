"""From bytes to documents: strict, and with every problem of an input in one go.

The fast road is one typed decode. Only an input that it refuses is looked at again, slowly, to say
everything that is wrong with it and where.
"""

import json
from typing import Any, NoReturn, TypeVar

import jsonschema_rs
import msgspec

from buddy.core.planning import MAX_PROBLEMS, shown
from buddy.errors import BadInput
from buddy.model.plan import PlanDocument

T = TypeVar("T")
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
        BadInput: with every problem of the text, at most `MAX_PROBLEMS`.
    """
    refuse_duplicate_keys(data, place)
    try:
        return _plan_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        explain(data, PlanDocument, place, problem)


def plan_from_object(value: Any, place: str) -> PlanDocument:
    """Read one plan that is already a Python dict, or a `PlanDocument`.

    Raises:
        BadInput: with every problem.
    """
    if isinstance(value, PlanDocument):
        return value
    try:
        data = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as problem:
        raise BadInput(f"{place}: expected a plan made of JSON values, found {problem}") from problem
    return plan_document(data, place)


def _check_pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Duplicate(key)
            seen.add(key)


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"expected a number, found {name}")


def _check_integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise _Refused(f"expected a number, found one of {len(text):,} digits")
    return 0


_scanner = json.JSONDecoder(
    object_pairs_hook=_check_pairs, parse_constant=_refuse_constant, parse_int=_check_integer, parse_float=lambda _: 0
)


def refuse_duplicate_keys(data: bytes, place: str) -> None:
    """Refuse text that is not JSON, or an object that names a key twice.

    Raises:
        BadInput: one sentence.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        raise BadInput(f"{place}: expected UTF-8 text, found byte {data[problem.start]:#04x} at offset"
                       f" {problem.start}") from problem  # fmt: skip
    if not text.strip():
        raise BadInput(f"{place}: expected a JSON object, found nothing")
    try:
        _scanner.decode(text)
    except _Duplicate as problem:
        raise BadInput(f"{place}: expected each key once, found {shown(problem.key)} twice in one object") from None
    except _Refused as problem:
        raise BadInput(f"{place}: {problem}") from None
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno} column {problem.colno}" if problem.lineno > 1 else f"column {problem.colno}"
        raise BadInput(f"{place}: expected JSON, found a syntax error at {where}: {problem.msg}") from problem
    except RecursionError as problem:
        raise BadInput(f"{place}: expected JSON of reasonable depth, found too many nested levels") from problem


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
        sentences = schema_problems(value, schema_of(kind))
    except (ValueError, RecursionError):
        sentences = []
    if not sentences:
        sentences = [_from_msgspec(str(problem))]
    shown_ones = [f"{place}: {sentence}" for sentence in sentences[:MAX_PROBLEMS]]
    raise BadInput(shown_ones, len(sentences) - len(shown_ones)) from problem


def _from_msgspec(message: str) -> str:
    sentence, _, path = message.partition(" - at `$")
    return f"{path.rstrip('`').lstrip('.') or 'the document'}: {sentence[:1].lower()}{sentence[1:]}"


_schemas: dict[type[Any], dict[str, Any]] = {}


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """Return the published JSON Schema of a struct type."""
    if kind not in _schemas:
        schema = msgspec.json.schema(kind)
        _schemas[kind] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return _schemas[kind]


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


def schema_problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """Return one sentence for each place where a value breaks a schema.

    Args:
        value: a JSON value.
        schema: JSON Schema.
    """
    validator = jsonschema_rs.validator_for(schema)
    sentences: dict[str, None] = {}
    for error in validator.iter_errors(value):
        place = _dotted(error.instance_path) or "the document"
        unknown = getattr(error.kind, "unexpected", None)
        if unknown:
            for key in unknown:
                sentences[f"{place}: expected no unknown keys, found {shown(key)}"] = None
        else:
            sentences[f"{place}: expected {_expected(error)}, found {_found(error)}"] = None
    return list(sentences)


def _dotted(path: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _found(error: Any) -> str:
    missing = getattr(error.kind, "property", None)
    return f"no {shown(missing)}" if missing else shown(error.instance)


def _expected(error: Any) -> str:
    kind, keyword = error.kind, str(error.schema_path[-1])
    if keyword in _LIMITS:
        return _LIMITS[keyword].format(kind.limit)
    match keyword:
        case "type":
            return " or ".join(kind.types)
        case "enum":
            return f"one of {', '.join(map(str, kind.options))}"
        case "required":
            return f"the key {shown(kind.property)}"
        case "pattern":
            return "a text without '[', ']', '#' or control characters"
        case "anyOf":
            branches = [_expected(branch[0]) for branch in kind.context if branch]
            return " or ".join(branch for branch in branches if branch != "null")
        case _:
            return f"what '{keyword}' of the schema asks for"
