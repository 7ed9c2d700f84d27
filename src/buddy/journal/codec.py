"""Lines of a journal: events to bytes and back, each line chained to the one before it.

A line is `{"seq":N,"time":"...","type":"...",...,"hash":"H"}` with
`H = sha256(hash of the line before + the line without its hash)`; the first line follows `GENESIS`.
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw, Struct

from buddy.errors import JournalDamaged
from buddy.journal import upcast
from buddy.journal.events import AnyEvent, Record, RunResumed

GENESIS = "0" * 64
_TAIL = len(',"hash":""}\n') + 64
_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class Head(Struct, frozen=True, gc=False):
    """Where a journal ends: the number and the hash of its last line."""

    seq: int = 0
    hash: str = GENESIS


class _Stamp(Struct):
    seq: int
    time: str
    type: str = ""
    format: Raw = Raw()
    version: Raw = Raw()


_stamps = msgspec.json.Decoder(_Stamp)
_RESUMED = RunResumed.__struct_config__.tag


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
    body = f'{{"seq":{seq},"time":"{time}",'.encode() + _encoder.encode(event)[1:-1]
    digest = hashlib.sha256(head.hash.encode() + body).hexdigest()
    return body + f',"hash":"{digest}"}}\n'.encode(), Head(seq, digest)


class Reader:
    """Reads the lines of a journal one after another; checks the chain and raises older formats to today's.

    Args:
        head: where the lines before end.
        upcasts: of older formats.

    Attributes:
        head: where the lines end that were read and hold.
    """

    def __init__(self, head: Head | None = None, upcasts: upcast.Table = upcast.UPCASTS) -> None:
        self.head = head or Head()
        self._upcasts = upcasts
        self._older: dict[str, upcast.Upcast] = {}

    def read(self, line: bytes) -> Record:
        """Read the next line.

        Raises:
            JournalDamaged: the line is not whole, not an event, out of place or not what was written.
            UnknownFormat: it begins a part of the journal that this Buddy cannot read.
        """
        number = self.head.seq + 1
        digest = _checked(line, self.head.hash, number)
        try:
            stamp = _stamps.decode(line)
            if stamp.format or stamp.type == _RESUMED:
                said = bytes(stamp.format) or upcast.UNSAID
                self._older = upcast.older(said, bytes(stamp.version), number, self._upcasts)
            event = self._event(line, stamp.type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise JournalDamaged(f"line {number} is not an event: {problem}", number) from problem
        if stamp.seq != number:
            raise JournalDamaged(f"line {number} says that it is line {stamp.seq}", number)
        self.head = Head(number, digest)
        return Record(stamp.seq, stamp.time, event)

    def _event(self, line: bytes, kind: str) -> AnyEvent:
        raise_it = self._older.get(kind)
        if raise_it is None:
            return _decoder.decode(line)
        return _decoder.decode(_encoder.encode(raise_it(msgspec.json.decode(line))))


def _checked(line: bytes, before: str, number: int) -> str:
    """Return the hash of a line that is whole and follows from the one before it."""
    if not line.endswith(b'"}\n') or len(line) <= _TAIL or line[-_TAIL : -_TAIL + 9] != b',"hash":"':
        raise JournalDamaged(f"line {number} is not a whole journal line", number)
    body, digest = line[:-_TAIL], line[-67:-3].decode("ascii", "replace")
    if hashlib.sha256(before.encode() + body).hexdigest() != digest:
        raise JournalDamaged(
            f"line {number} does not follow from the line before it: it was edited, moved, or a line"
            " before it is missing",
            number,
        )
    return digest


def records(lines: Iterable[bytes], head: Head | None = None) -> Iterator[tuple[Record, Head]]:
    """Read lines one after another, checking the chain.

    Raises:
        JournalDamaged: at the first line that does not hold.
        UnknownFormat: at the first line of a format that this Buddy does not know.
    """
    reader = Reader(head)
    for line in lines:
        yield reader.read(line), reader.head


def is_torn(line: bytes) -> bool:
    """Whether a last line was cut while it was written, which a crash can do and nothing else does."""
    return not line.endswith(b"\n")
