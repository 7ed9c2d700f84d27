"""One spelling for every JSON value, digests over it, and pointers into it."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """Return the JSON of a value with sorted keys and no spaces; equal values give equal bytes."""
    return _encoder.encode(value)


def sha256(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(_encoder.encode(value)).hexdigest()


def keyed_digest(key: bytes, tool: str, args: Any) -> str:
    """HMAC-SHA256 of a call, cut to 128 bits, in hex.

    Args:
        key: secret of the home, so that a digest of guessable arguments tells nobody what they were.
        tool: name of the tool.
        args: its arguments, secrets as references.
    """
    message = b"%s\x00%s" % (tool.encode(), _encoder.encode(args))
    return hmac.digest(key, message, "sha256").hex()[:32]


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = _Nothing()
"""What a pointer that leads nowhere finds; JSON has no such value."""


def _segments(pointer: str) -> Iterator[str]:
    for segment in pointer.split("/")[1:]:
        yield segment.replace("~1", "/").replace("~0", "~")


def is_pointer(text: str) -> bool:
    """Whether a text is a JSON Pointer (RFC 6901)."""
    return text == "" or text.startswith("/")


def lookup(value: Any, pointer: str) -> Any:
    """Follow a JSON Pointer (RFC 6901); `NOTHING` where it leads nowhere."""
    for segment in _segments(pointer):
        if isinstance(value, dict):
            value = value.get(segment, NOTHING)
        elif isinstance(value, list | tuple) and segment.isdecimal() and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return NOTHING
        if value is NOTHING:
            return NOTHING
    return value


def without(value: Any, pointers: Iterable[str]) -> Any:
    """Return a JSON value without what the pointers lead to; `*` stands for any one segment."""
    for pointer in pointers:
        value = _removed(value, list(_segments(pointer)))
    return value


def _removed(value: Any, path: list[str]) -> Any:
    if not path:
        return None
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {
            key: _removed(item, rest) if head in ("*", key) else item
            for key, item in value.items()
            if rest or head not in ("*", key)
        }
    if isinstance(value, list | tuple):
        return [
            _removed(item, rest) if head in ("*", str(index)) else item
            for index, item in enumerate(value)
            if rest or head not in ("*", str(index))
        ]
    return value
