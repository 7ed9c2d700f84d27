"""One spelling for every JSON value, digests over it, and pointers into it."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

_encoder = msgspec.json.Encoder(order="sorted")
_BLOCK = 64
"""Bytes that SHA-256 takes at a time."""


def canonical(value: Any) -> bytes:
    """Return the JSON of a value with sorted keys and no spaces; the order of keys makes no difference."""
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
    padded_inner, padded_outer = _padded(key)
    inner, outer = padded_inner.copy(), padded_outer.copy()
    inner.update(b"%s\x00%s" % (tool.encode(), _encoder.encode(args)))
    outer.update(inner.digest())
    return outer.hexdigest()[:32]


@lru_cache(maxsize=8)
def _padded(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Return the two hashes of an HMAC-SHA256 after their pads (RFC 2104), which are the same each time."""
    block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner), hashlib.sha256(outer)


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


def pointer(*segments: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) that leads along the segments."""
    return "".join(f"/{str(segment).replace('~', '~0').replace('/', '~1')}" for segment in segments)


def lookup(value: Any, pointer: str) -> Any:
    """Follow a JSON Pointer (RFC 6901); `NOTHING` where it leads nowhere.

    A value that nobody knows yet (`UNSET`) has parts that nobody knows yet.
    """
    for segment in _segments(pointer):
        if isinstance(value, dict):
            value = value.get(segment, NOTHING)
        elif isinstance(value, list | tuple):
            value = value[int(segment)] if _is_place(segment, len(value)) else NOTHING
        else:
            return UNSET if value is UNSET else NOTHING
    return value


def _is_place(segment: str, size: int) -> bool:
    """Whether a segment is a number below `size`, written as RFC 6901 wants it: ASCII, no leading zero."""
    if not (segment.isascii() and segment.isdecimal()) or len(segment) > len(str(size)):
        return False
    return int(segment) < size and (segment == "0" or segment[0] != "0")


def without(value: Any, pointers: Iterable[str]) -> Any:
    """Return a JSON value without what the pointers lead to, all taken in the value as it came in.

    `*` stands for any one segment; the empty pointer leads to the whole value and leaves None.
    """
    return _removed(value, [list(_segments(pointer)) for pointer in pointers])


def _removed(value: Any, paths: list[list[str]]) -> Any:
    if not all(paths):
        return None
    if not paths or not isinstance(value, dict | list | tuple):
        return value
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    kept = []
    for key, item in entries:
        rests = [path[1:] for path in paths if path[0] in ("*", str(key))]
        if all(rests):
            kept.append((key, _removed(item, rests)))
    return dict(kept) if isinstance(value, dict) else [item for _, item in kept]
