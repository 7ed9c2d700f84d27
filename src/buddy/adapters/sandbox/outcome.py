"""What came of running code, told by functions that trust nothing which the code could have replaced.

A value is rebuilt from exact JSON types with methods of the base types, whatever its classes say of them; an
error is told from the interpreter's own records. Nothing raises because of what a value or an exception does.
"""

import builtins
import errno
from types import TracebackType
from typing import Any

# Functions made from here on find this copy, not the builtins that code may change.
globals()["__builtins__"] = dict(vars(builtins))

from _json import encode_basestring, make_encoder  # noqa: E402

CODE = "<code>"
"""The file name of the code in tracebacks."""

MOST_MESSAGE = 10_000
"""Characters of an error's message that are kept."""

MOST_DEPTH = 200
"""Levels of lists and dicts that a value may have."""

MOST_BITS = 14_280
"""Of a whole number in a value: about the 4,300 digits that Python writes."""

_MOST_FRAMES = 40
_MOST_REPEATS = 3
_NAME = type.__dict__["__name__"].__get__
_ERRNO = OSError.__dict__["errno"].__get__
_TRACE = BaseException.__dict__["__traceback__"].__get__
_STATUS = SystemExit.__dict__["code"].__get__
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Unfit(Exception):
    """A value that JSON cannot hold."""


class _TooLarge(Exception):
    """A value that has more than it may."""


# Nothing is left to `repr`: what it encodes has exact JSON types by then.
_encoder = make_encoder(None, repr, encode_basestring, None, ":", ",", False, False, False)


def outcome(
    value: Any = None, error: dict[str, Any] | None = None, ended: str | None = None
) -> dict[str, Any]:
    """What a run gives back, without its findings.

    Args:
        value: JSON.
        error: type, message, line and traceback.
        ended: "memory", "disk" or "result" where a limit ended it.
    """
    return {"value": value, "error": error, "findings": [], "ended": ended}


def encode(told: dict[str, Any]) -> bytes:
    """An outcome as JSON.

    Args:
        told: as `run` returned it.
    """
    return "".join(_encoder(told, 0)).encode("utf-8", "replace")


def succeeded(value: Any, max_bytes: int) -> dict[str, Any]:
    """The outcome of code that came to its end.

    Args:
        value: of its last expression.
        max_bytes: that it may have as JSON.
    """
    try:
        plain = _plain(value, 0, [max_bytes])
        if len("".join(_encoder(plain, 0)).encode()) > max_bytes:
            raise _TooLarge
    except _Unfit as unfit:
        return outcome(error=_error("ValueNotJSON", str(unfit), None, ""))
    except _TooLarge:
        told = (
            f"the last value has more than the {max_bytes:,} bytes of JSON that are allowed: give back less"
        )
        return outcome(error=_error("ValueTooLarge", told, None, ""), ended="result")
    return outcome(plain)


def misread(error: BaseException) -> dict[str, Any]:
    """The outcome of code that does not compile.

    Args:
        error: what the compiler raised; the code has not run.
    """
    kind = type(error).__name__
    if not isinstance(error, SyntaxError) or error.lineno is None:
        message = _message(error) or "the code is nested too deeply to be read"
        return outcome(error=_error(kind, message, None, f"{kind}: {message}"))
    message = sound(error.msg or "")
    text = sound(error.text or "").strip()[:MOST_DEPTH]
    shown = (
        f'  File "{CODE}", line {error.lineno}\n' + (f"    {text}\n" if text else "") + f"{kind}: {message}"
    )
    return outcome(error=_error(kind, message, error.lineno, shown))


def failed(error: BaseException, source: str) -> dict[str, Any]:
    """The outcome of code that raised.

    Args:
        error: that came out of it.
        source: the code.
    """
    kind = type(error)
    if issubclass(kind, SystemExit) and (status := _STATUS(error)) in (None, 0) and type(status) is not float:
        return outcome()
    name = _type_name(error)
    message = _message(error)
    frames = _frames(_TRACE(error))
    ended = None
    if issubclass(kind, MemoryError):
        ended = "memory"
    elif issubclass(kind, OSError) and type(number := _ERRNO(error)) is int and number in _FULL:
        ended = "disk"
    at = frames[-1][0] if frames else None
    return outcome(error=_error(name, message, at, _traceback(frames, source, name, message)), ended=ended)


def _error(name: str, message: str, line: int | None, traceback: str) -> dict[str, Any]:
    return {"type": name, "message": message, "line": line, "traceback": traceback}


def _type_name(value: Any) -> str:
    return sound(str.__str__(_NAME(type(value))))[:MOST_DEPTH]


def _message(error: BaseException) -> str:
    try:
        text = str.__str__(str(error))
    except BaseException:  # noqa: BLE001 - the code's own __str__ raises what it likes
        return "(its message cannot be told)"
    return sound(text[:MOST_MESSAGE])


def sound(text: str) -> str:
    """Text that UTF-8 can hold.

    Args:
        text: any.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _frames(trace: TracebackType | None) -> list[tuple[int, str]]:
    """Line and function of the frames of the code, outermost first."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if type(code.co_filename) is str and code.co_filename == CODE:
            found.append((trace.tb_lineno, sound(str.__str__(code.co_name))))
        trace = trace.tb_next
    return found


def _traceback(frames: list[tuple[int, str]], source: str, name: str, message: str) -> str:
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told = ["Traceback (most recent call last):"]
    repeats = 0
    for number, frame in enumerate(frames):
        repeats = repeats + 1 if number and frame == frames[number - 1] else 0
        if repeats >= _MOST_REPEATS or _MOST_FRAMES // 2 <= number < len(frames) - _MOST_FRAMES // 2:
            if told[-1] != "  ...":
                told.append("  ...")
            continue
        at, function = frame
        told.append(f'  File "{CODE}", line {at}, in {function}')
        if at and 0 < at <= len(lines):
            told.append("    " + sound(lines[at - 1].strip()[:MOST_DEPTH]))
    told.append(f"{name}: {message}" if message else name)
    return "\n".join(told)


def _plain(value: Any, depth: int, budget: list[int]) -> Any:
    """A value rebuilt from exact JSON types; `budget` is the bytes that are left, spent as it grows."""
    budget[0] -= 1
    if budget[0] < 0:
        raise _TooLarge
    kind = type(value)
    if value is None or value is True or value is False:
        return value
    if issubclass(kind, str):
        return _text(value, budget)
    if issubclass(kind, int):
        return _whole(value)
    if issubclass(kind, float):
        return _real(value)
    if issubclass(kind, (list, tuple, dict)):
        if depth >= MOST_DEPTH:
            raise _Unfit(f"the last value is nested deeper than {MOST_DEPTH} levels, or contains itself")
        return _members(value, kind, depth + 1, budget)
    advice = "use a list" if issubclass(kind, (set, frozenset)) else "use numbers, text, lists and dicts"
    raise _Unfit(f"the last value holds a `{_type_name(value)}`, which JSON cannot: {advice}")


def _members(value: Any, kind: type, depth: int, budget: list[int]) -> Any:
    if not issubclass(kind, dict):
        each_of = list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value)
        members = []
        for member in each_of:
            members.append(_plain(member, depth, budget))
        return members
    items = {}
    for key, member in dict.items(value):
        name = _key(key, budget)
        if name in items:
            raise _Unfit(f"two keys of a dict are both {name[:100]!r} as JSON: use text for keys")
        items[name] = _plain(member, depth, budget)
    return items


def _key(key: Any, budget: list[int]) -> str:
    """A key as JSON writes it."""
    kind = type(key)
    if key is None or key is True or key is False:
        return {None: "null", True: "true", False: "false"}[key]
    if issubclass(kind, str):
        return _text(key, budget)
    if issubclass(kind, int):
        return int.__repr__(_whole(key))
    if issubclass(kind, float):
        return float.__repr__(_real(key))
    raise _Unfit(f"a dict has a `{_type_name(key)}` for a key, which JSON cannot: use text for keys")


def _text(value: Any, budget: list[int]) -> str:
    text = str.__str__(value)
    budget[0] -= len(text)
    if budget[0] < 0:
        raise _TooLarge
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unfit(
                "the last value holds text with half a surrogate pair, which is no Unicode"
            ) from None
    return text


def _whole(value: Any) -> int:
    number = int.__int__(value)
    if number.bit_length() > MOST_BITS:
        raise _Unfit("the last value holds a whole number of more than 4,300 digits: give it back as text")
    return number


def _real(value: Any) -> float:
    number = float.__float__(value)
    if number - number != 0:
        raise _Unfit(f"the last value holds `{number}`, which JSON cannot: use None")
    return number
