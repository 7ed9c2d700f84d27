"""References between steps: `{"$from": STEP, "path": POINTER}` and, in a fan-out, `{"$item": POINTER}`.

Only an object whose keys are exactly these is a reference; anything else is data. A secret
`{"$secret": "env:NAME"}` is resolved at the call and is data here.
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET

from buddy.core.canonical import NOTHING, lookup, pointer
from buddy.errors import InvalidArguments

UNKNOWN: Any = UNSET
"""A value that a rehearsal cannot know: the result of a simulated call whose shape nobody declared."""


def _is_from(value: dict[str, Any]) -> bool:
    return "$from" in value and value.keys() <= {"$from", "path"}


def _is_item(value: dict[str, Any]) -> bool:
    return "$item" in value and len(value) == 1


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and "$secret" in value and len(value) == 1


def find(args: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every reference among arguments with the JSON Pointer of its place.

    The arguments as a whole are no reference: a tool may have an argument that is called `$from`.
    """
    for key, entry in args.items():
        if isinstance(entry, dict | list):
            yield from _find(entry, pointer(key))


def _find(value: dict[str, Any] | list[Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _find(item, f"{path}/{index}")
    elif _is_from(value) or _is_item(value):
        yield path, value
    else:
        for key, item in value.items():
            if isinstance(item, dict | list):
                yield from _find(item, path + pointer(key))


def sources(args: dict[str, Any]) -> tuple[str, ...]:
    """Ids of the steps that arguments take data from, in the order met."""
    found = [str(reference["$from"]) for _, reference in find(args) if "$from" in reference]
    return tuple(dict.fromkeys(found))


def has_references(args: dict[str, Any]) -> bool:
    """Whether any argument is a reference or holds one."""
    return any(isinstance(entry, dict | list) and _holds(entry) for entry in args.values())


def _holds(value: dict[str, Any] | list[Any]) -> bool:
    if isinstance(value, dict):
        if _is_from(value) or _is_item(value):
            return True
        return any(isinstance(entry, dict | list) and _holds(entry) for entry in value.values())
    return any(isinstance(entry, dict | list) and _holds(entry) for entry in value)


def resolve(args: dict[str, Any], result_of: Callable[[str], Any], item: Any = NOTHING) -> dict[str, Any]:
    """Return arguments with every reference replaced by what it leads to.

    Args:
        args: as the plan has them.
        result_of: result of a step; `UNKNOWN` where a rehearsal cannot know it.
        item: the item of a fan-out.

    Raises:
        InvalidArguments: a reference finds nothing; names the place, the step and the path.
    """
    return {name: _replace(entry, pointer(name), result_of, item) for name, entry in args.items()}


def _replace(value: Any, place: str, result_of: Callable[[str], Any], item: Any) -> Any:
    if isinstance(value, dict):
        if _is_from(value):
            return _follow(
                result_of(value["$from"]),
                value.get("path", ""),
                place,
                f"the result of step '{value['$from']}'",
            )
        if _is_item(value):
            return _follow(item, value["$item"], place, "the item")
        return {key: _replace(entry, place + pointer(key), result_of, item) for key, entry in value.items()}
    if isinstance(value, list):
        return [_replace(entry, f"{place}/{index}", result_of, item) for index, entry in enumerate(value)]
    return value


def _follow(result: Any, path: str, place: str, whose: str) -> Any:
    found = NOTHING if result is NOTHING else lookup(result, path)
    if found is NOTHING:
        raise InvalidArguments(f"args{place}: nothing at '{path}' in {whose}")
    return found


def has_unknown(value: Any) -> bool:
    """Whether a resolved value still holds something that the rehearsal could not know."""
    if value is UNKNOWN:
        return True
    if isinstance(value, dict):
        return any(has_unknown(entry) for entry in value.values())
    return isinstance(value, list) and any(has_unknown(entry) for entry in value)


def secrets_in(args: dict[str, Any]) -> dict[str, str]:
    """Return the secret references among the top-level arguments: argument -> `env:NAME`."""
    return {name: str(value["$secret"]) for name, value in args.items() if _is_secret(value)}
