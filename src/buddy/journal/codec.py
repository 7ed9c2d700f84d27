"""Lines of a journal: events to bytes and back, each line chained to the one before it.

A line is `{"seq":N,"time":"...","type":"...",...,"hash":"H"}` with
`H = sha256(hash of the line before + the line without its hash)`; the first line follows `GENESIS`.
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from buddy.errors import JournalDamaged
from buddy.journal.events import AnyEvent, Record

GENESIS = "0" * 64
_TAIL = len(',"hash":""}\n') + 64
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder = msgspec.json.Decoder(AnyEvent)


class Head(Struct, frozen=True):
    """Where a journal ends: the number and the hash of its last line."""

    seq: int = 0
    hash: str = GENESIS


class _Stamp(Struct):
    seq: int
    time: str


_stamps = msgspec.json.Decoder(_Stamp)


def encode(event: AnyEvent, head: Head, time: str) -> tuple[bytes, Head]:
    """Turn an event into the line that follows `head`.

    Args:
        event: what happened.
        head: where the journal ends.
        time: UTC ISO 8601.

    Returns:
        The line with its line feed, and the head after it.
    """
    seq = head.seq + 1
    body = b'{"seq":%d,"time":"%s",%s' % (seq, time.encode(), _encoder.encode(event)[1:-1])
    digest = hashlib.sha256(head.hash.encode() + body).hexdigest()
    return b'%s,"hash":"%s"}\n' % (body, digest.encode()), Head(seq, digest)


def decode(line: bytes, head: Head) -> tuple[Record, Head]:
    """Read the line that should follow `head`.

    Raises:
        JournalDamaged: the line is not whole, not an event, out of place or not what was written.
    """
    number = head.seq + 1
    if not line.endswith(b'"}\n') or len(line) <= _TAIL or line[-_TAIL : -_TAIL + 9] != b',"hash":"':
        raise JournalDamaged(f"line {number} is not a whole journal line", number)
    body, digest = line[:-_TAIL], line[-67:-3].decode("ascii", "replace")
    if hashlib.sha256(head.hash.encode() + body).hexdigest() != digest:
        raise JournalDamaged(
            f"line {number} does not follow from the line before it: it was edited, moved, or a line"
            " before it is missing",
            number,
        )
    try:
        stamp = _stamps.decode(line)
        event = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise JournalDamaged(f"line {number} is not an event: {problem}", number) from problem
    if stamp.seq != number:
        raise JournalDamaged(f"line {number} says that it is line {stamp.seq}", number)
    return Record(stamp.seq, stamp.time, event), Head(number, digest)


def records(lines: Iterable[bytes], head: Head | None = None) -> Iterator[tuple[Record, Head]]:
    """Read lines one after another, checking the chain.

    Raises:
        JournalDamaged: at the first line that does not hold.
    """
    at = head or Head()
    for line in lines:
        record, at = decode(line, at)
        yield record, at


def is_torn(line: bytes) -> bool:
    """Whether a last line was cut while it was written, which a crash can do and nothing else does."""
    return not line.endswith(b"\n")
