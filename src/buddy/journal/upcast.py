"""Journals of older formats, read as if they were of today's.

A journal names its format where it begins and where a run goes on. When an event changes so that an older
one could not be read, `FORMAT` grows by one and `UPCASTS` gets what turns the events of the format before
into those of the new one. What never changes: the chain, which is over the bytes as they stand, and that
`run_started` and `run_resumed` say `type`, `format` and `version`.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from buddy.errors import UnknownFormat

Fields = dict[str, Any]
Upcast = Callable[[Fields], Fields]
Table = Mapping[int, Mapping[str, Upcast]]

UNSAID = b"1"
"""Format of the lines after a `run_resumed` that names none: before format 2 it did not."""

_NUMBER = re.compile(rb"[1-9][0-9]{0,5}")
_VERSION = re.compile(r"[\w.+-]{1,40}")


def _with_barrier(event: Fields) -> Fields:
    """The first fleets did not estimate what waiting for the end of waves costs: claim no cost."""
    match event:
        case {"fleet": {"expected_s": seconds, **known}} if "without_barrier_s" not in known:
            return event | {"fleet": event["fleet"] | {"without_barrier_s": seconds}}
    return event


UPCASTS: Table = {
    1: {"plan_started": _with_barrier},
}
"""Format -> type of event, as that format names it -> what makes its fields those of the next format.

An upcast takes any fields at all and leaves alone what it does not know, for it sees them before anyone has
checked them.
"""


def older(said: bytes, version: bytes, line: int, table: Table = UPCASTS) -> dict[str, Upcast]:
    """Return what makes the events that follow in a journal those of today.

    Args:
        said: the format that the line names, as its JSON stands there.
        version: of the Buddy that wrote it, likewise.
        line: its number.
        table: the upcasts known.

    Returns:
        Type of event -> its upcast; an event of any other type is as it is today.

    Raises:
        UnknownFormat: this Buddy knows no such format.
    """
    newest = len(table) + 1
    writer = f"line {line}, written by {_buddy(version)}, says that the journal is of format"
    if not _NUMBER.fullmatch(said):
        shown = said[:40].decode("utf-8", "replace")
        raise UnknownFormat(f"{writer} {shown!r}: expected a number from 1 to {newest}")
    number = int(said)
    if number > newest:
        raise UnknownFormat(
            f"{writer} {number}: this Buddy reads formats up to {newest}; use that version or a newer one"
        )
    kinds = {kind for each in range(number, newest) for kind in table[each]}
    return {kind: partial(_upcast, number, table) for kind in kinds}


def _upcast(number: int, table: Table, event: Fields) -> Fields:
    for each in range(number, len(table) + 1):
        step = table[each].get(event["type"])
        event = event if step is None else step(event)
    return event


def _buddy(version: bytes) -> str:
    try:
        name = msgspec.json.decode(version, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        name = ""
    return f"Buddy {name}" if _VERSION.fullmatch(name) else "a Buddy that does not say its version"
