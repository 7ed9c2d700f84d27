"""What a handler's signature says: the JSON Schemas of its arguments and result, and how to call it."""

import asyncio
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from buddy.errors import BadInput
from buddy.ports import CallContext

T = TypeVar("T")

_PASSED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_REST = inspect.Parameter.VAR_KEYWORD
_SILENT: tuple[Any, ...] = (inspect.Parameter.empty, Any, None, type(None), dict, dict[str, Any])
"""Return annotations that say nothing about the shape of a result."""

_PLAIN = (
    types.AnyType,
    types.NoneType,
    types.BoolType,
    types.IntType,
    types.FloatType,
    types.StrType,
    types.LiteralType,
)


class Handler(Struct, frozen=True, kw_only=True):
    """A function and how it wants to be called.

    Attributes:
        function: what to call.
        sync: it blocks, and belongs into a thread.
        context: name of the parameter that takes the `CallContext`, empty where none does.
    """

    function: Callable[..., Any]
    sync: bool
    context: str = ""


class Signature(Struct, frozen=True, kw_only=True):
    """The contract side of a function.

    Attributes:
        input: JSON Schema of its arguments.
        output: JSON Schema of its result, None where the annotation says nothing.
        names: its parameters, the context left out.
        converted: parameters whose values JSON has no form for, with their types.
        context: name of the parameter that takes the `CallContext`, or empty.
    """

    input: dict[str, Any]
    output: dict[str, Any] | None
    names: tuple[str, ...]
    converted: dict[str, Any]
    context: str


def read(function: Callable[..., Any]) -> Signature:
    """Read a tool's function.

    Raises:
        BadInput: a parameter cannot be given by name, or an annotation has no JSON form.
    """
    parameters = _named(function, _signature(function))
    hints = _hints(function, parameters)
    context = _context(parameters, hints)
    passed = {name: it for name, it in parameters.items() if it.kind in _PASSED and name != context}
    annotations = {name: hints.get(name, Any) for name in passed}
    rest = next((f"**{name}" for name, it in parameters.items() if it.kind is _REST), None)
    if rest is not None:
        annotations[rest] = hints.get(rest[2:], Any)
    schemas, shared = _schemas(function, annotations)
    required = [name for name, it in passed.items() if it.default is inspect.Parameter.empty]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schemas[name] | _default(it) for name, it in passed.items()},
        "additionalProperties": (schemas[rest] or True) if rest else False,
    }
    return Signature(
        input=schema | ({"required": required} if required else {}) | ({"$defs": shared} if shared else {}),
        output=_output(function, hints.get("return", Any)),
        names=tuple(passed),
        converted={
            name: annotations[name] for name in passed if not _remembered(_is_plain, annotations[name])
        },
        context=context,
    )


def handler(function: Callable[..., Any], names: tuple[str, ...] | None, positions: int = 0) -> Handler:
    """Look at a handler before it is registered.

    Args:
        function: the handler.
        names: the arguments that it is given by name, None where it is given `positions` by place.
        positions: how many it is given by place.

    Raises:
        BadInput: it cannot be called that way.
    """
    if not callable(function):
        raise BadInput(f"expected a function as handler, found {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadInput(f"{place(function)} yields; a handler returns its result whole")
    signature, context = _signature(function), ""
    if names is not None:
        parameters = _named(function, signature)
        context = _context(parameters, _hints(function, parameters))
    given = (names or ()) + ((context,) if context else ())
    try:
        signature.bind(*range(positions), **dict.fromkeys(given))
    except TypeError as problem:
        wanted = (
            f"the arguments {', '.join(given) or 'nothing'} by name"
            if names is not None
            else "a call" + (" and its result" if positions == 2 else "")
        )
        raise BadInput(f"{place(function)}: the handler is given {wanted}: {problem}") from problem
    return Handler(function=function, sync=not _is_async(function), context=context)


def convert(args: dict[str, Any], converted: Mapping[str, Any]) -> str:
    """Replace the JSON form of arguments by their annotated types, in place.

    Returns:
        One sentence on the first that does not fit, or an empty string.
    """
    for name, hint in converted.items():
        if name in args:
            try:
                args[name] = msgspec.convert(args[name], hint, str_keys=True)
            except (msgspec.ValidationError, RecursionError) as problem:
                return f"/{name}: {problem}"
    return ""


def place(function: Callable[..., Any]) -> str:
    """Name a function for an error message: its module and name."""
    inner = function.func if isinstance(function, functools.partial) else function
    return f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__name__)}"


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as problem:
        raise BadInput(f"{place(function)} has no signature to read: {problem}") from problem


def _named(function: Callable[..., Any], signature: inspect.Signature) -> Mapping[str, inspect.Parameter]:
    """Return the parameters, all of which can be given by name."""
    for number, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            raise BadInput(f"{place(function)}: *{name} cannot be given by name; name each argument")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise BadInput(f"{place(function)}: {name} is positional-only and cannot be given by name")
        if number == 0 and name in ("self", "cls"):
            raise BadInput(f"{place(function)}: decorate a function or a bound method, {name} is no argument")
    return signature.parameters


def _hints(function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    target = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(target):
        target = type(target).__call__
    shown = {name: it.annotation for name, it in parameters.items() if it.annotation is not it.empty}
    try:
        try:
            return shown | typing.get_type_hints(target, include_extras=True)
        except NameError:  # imported for type checkers only, as such imports of CallContext often are
            known = {"CallContext": CallContext}
            return shown | typing.get_type_hints(target, localns=known, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as problem:
        raise BadInput(
            f"{place(function)}: an annotation cannot be resolved: {problem}; it has to name what stands in"
            " the function's module"
        ) from problem


def _context(parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any]) -> str:
    for name in parameters:
        hint = hints.get(name)
        if (
            hint is CallContext
            or CallContext in typing.get_args(hint)
            or (name == "ctx" and name not in hints)
        ):
            return name
    return ""


def _schemas(
    function: Callable[..., Any], annotations: Mapping[str, Any]
) -> tuple[Mapping[str, dict[str, Any]], dict[str, Any]]:
    try:
        schemas, shared = _remembered(_components, tuple(annotations.values()))
    except (TypeError, RecursionError) as problem:
        bare = {name: hint for name, hint in annotations.items() if not _has_form(hint)}
        told = ", ".join(f"{name} is {_spelled(hint)}" for name, hint in bare.items())
        raise BadInput(f"{place(function)}: {told or problem}, which JSON has no form for") from problem
    return dict(zip(annotations, schemas, strict=True)), shared


@functools.lru_cache(maxsize=1024)
def _components(hints: tuple[Any, ...]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    return msgspec.json.schema_components(hints, ref_template="#/$defs/{name}")


def _remembered(compute: "functools._lru_cache_wrapper[T]", hint: Any) -> T:
    """Compute what a hint means, once where it can be a key; worlds make the same tools over and over."""
    try:
        hash(hint)
    except TypeError:  # `Meta(extra_json_schema={...})` has no hash
        return compute.__wrapped__(hint)
    return compute(hint)


def _has_form(hint: Any) -> bool:
    try:
        msgspec.json.schema(hint)
    except (TypeError, RecursionError):
        return False
    return True


def _default(parameter: inspect.Parameter) -> dict[str, Any]:
    if parameter.default is inspect.Parameter.empty:
        return {}
    try:
        return {"default": msgspec.json.decode(msgspec.json.encode(parameter.default))}
    except (TypeError, ValueError, RecursionError):  # a default that JSON cannot show is still a default
        return {}


def _output(function: Callable[..., Any], hint: Any) -> dict[str, Any] | None:
    if any(hint is silent or hint == silent for silent in _SILENT):
        return None
    schemas, shared = _schemas(function, {"the result": hint})
    schema = schemas["the result"]
    return (schema | {"$defs": shared}) if shared else schema


@functools.lru_cache(maxsize=1024)
def _is_plain(hint: Any) -> bool:
    """Whether values of a type are what JSON decodes to, so that they can be handed over as they are."""
    seen: set[int] = set()

    def plain(it: types.Type) -> bool:
        if id(it) in seen:
            return True
        seen.add(id(it))
        if isinstance(it, types.Metadata):
            return plain(it.type)
        if isinstance(it, types.ListType):
            return plain(it.item_type)
        if isinstance(it, types.DictType):
            return isinstance(it.key_type, types.StrType | types.AnyType) and plain(it.value_type)
        if isinstance(it, types.UnionType):
            return all(plain(one) for one in it.types)
        if isinstance(it, types.TypedDictType):
            return all(plain(field.type) for field in it.fields)
        return isinstance(it, _PLAIN)

    return plain(types.type_info(hint))


def _is_async(function: Callable[..., Any]) -> bool:
    inner = function.func if isinstance(function, functools.partial) else function
    return asyncio.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004


def _spelled(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
