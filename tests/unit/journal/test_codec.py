import hashlib
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.errors import JournalDamaged
from buddy.journal.codec import GENESIS, Head, Reader, encode, is_torn, records
from buddy.journal.events import AnyEvent, BreakerMoved, Record
from unit.projections import strategies

TIME = "2026-01-01T00:00:00.000000+00:00"
MOVED = BreakerMoved(subject="tool:t", open=True, reason='three "failures"')


def decode(line: bytes, head: Head) -> tuple[Record, Head]:
    reader = Reader(head)
    return reader.read(line), reader.head


def signed(body: bytes, head: Head) -> bytes:
    """A line that follows `head` by its hash, whatever it says."""
    digest = hashlib.sha256(head.hash.encode() + body).hexdigest()
    return b'%s,"hash":"%s"}\n' % (body, digest.encode())


def written(count: int) -> list[bytes]:
    head, lines = Head(), []
    for number in range(count):
        line, head = encode(BreakerMoved(subject=f"tool:{number}", open=True, reason="r"), head, TIME)
        lines.append(line)
    return lines


@pytest.mark.parametrize("kind", get_args(AnyEvent))
def test_every_event_comes_back_as_it_was_written(kind: type[AnyEvent]) -> None:
    @settings(max_examples=20)
    @given(strategies.struct(kind), st.integers(0, 2**40))
    def check(event: AnyEvent, seq: int) -> None:
        before = Head(seq, "a" * 64)
        line, after = encode(event, before, TIME)
        assert line.count(b"\n") == 1
        assert decode(line, before) == (Record(seq + 1, TIME, event), after)
        assert encode(event, before, TIME) == (line, after)

    check()


def test_a_line_is_its_number_its_time_its_event_and_a_hash_of_it_all() -> None:
    line, head = encode(MOVED, Head(), TIME)
    body = (
        b'{"seq":1,"time":"2026-01-01T00:00:00.000000+00:00","type":"breaker",'
        b'"subject":"tool:t","open":true,"reason":"three \\"failures\\""'
    )
    assert line == signed(body, Head())
    assert head == Head(1, hashlib.sha256(GENESIS.encode() + body).hexdigest())


def test_lines_are_read_one_after_another_from_any_head() -> None:
    lines = written(3)
    read = list(records(lines))
    assert [record.seq for record, _ in read] == [1, 2, 3]
    assert list(records(lines[2:], read[1][1])) == read[2:]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b'"}\n',
        b',"hash":"%s"}\n' % (b"0" * 64),
        written(1)[0][:-1],
        written(1)[0][:-2] + b"\n",
        written(1)[0][5:-80] + b'"}\n',
        written(1)[0].replace(b',"hash":"', b',"hush":"'),
        written(1)[0] + written(1)[0][:20],
    ],
)
def test_what_is_no_whole_line_is_refused(line: bytes) -> None:
    with pytest.raises(JournalDamaged, match="line 8 is not a whole journal line"):
        decode(line, Head(7, GENESIS))


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (lambda lines: [lines[0].replace(b"tool:0", b"tool:9"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(TIME.encode(), TIME.replace("6", "7").encode())], 2),
        (lambda lines: [lines[0], lines[2], lines[1]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[0], lines[0]], 2),
        (lambda lines: [lines[0], signed(lines[1][:-77], Head())], 2),
        (lambda lines: [*lines[:2], lines[2][:-67] + b"\xff" * 64 + lines[2][-3:]], 3),
    ],
)
def test_an_edited_moved_missing_or_repeated_line_breaks_the_chain(
    damage: Callable[[list[bytes]], list[bytes]], number: int
) -> None:
    with pytest.raises(JournalDamaged, match=f"line {number} does not follow from the line before it"):
        list(records(damage(written(3))))


@given(st.data())
def test_no_byte_of_a_line_can_change(data: st.DataObject) -> None:
    line = bytearray(written(1)[0])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    with pytest.raises(JournalDamaged):
        decode(bytes(line), Head())


STAMP = b'{"seq":4,"time":"%s",' % TIME.encode()
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        STAMP + b'"type":"miracle"',
        STAMP + b'"subject":"tool:t","open":true,"reason":"r"',
        STAMP + b'"type":"breaker","subject":"tool:t","open":true',
        STAMP + b'"type":"breaker","subject":"tool:t","open":"yes","reason":"r"',
        STAMP + b'"type":"breaker","subject":"tool:\xff","open":true,"reason":"r"',
        STAMP + b'"type":"breaker","subject":"tool:t","open":true,"reason":"r","more":' + DEEP,
        b'{"seq":"4","time":"t","type":"breaker","subject":"tool:t","open":true,"reason":"r"',
        b'{"seq":4,"type":"breaker","subject":"tool:t","open":true,"reason":"r"',
        b"not JSON",
    ],
    ids=["tag", "untagged", "missing", "type", "utf-8", "deep", "number", "time", "text"],
)
def test_what_is_no_event_is_refused_though_its_hash_holds(body: bytes) -> None:
    head = Head(3, "b" * 64)
    with pytest.raises(JournalDamaged, match="line 4 is not an event") as refused:
        decode(signed(body, head), head)
    assert refused.value.__cause__ is not None


@pytest.mark.parametrize("said", [0, 3, 5])
def test_a_line_that_says_another_number_is_refused_though_its_hash_holds(said: int) -> None:
    line, head = encode(MOVED, Head(said - 1, "b" * 64), TIME)
    assert head.seq == said
    with pytest.raises(JournalDamaged, match=f"line 4 says that it is line {said}"):
        decode(line, Head(3, "b" * 64))


def test_a_damaged_line_is_named_and_the_lines_before_it_are_read() -> None:
    lines = [*written(2), b"torn"]
    read = records(lines)
    assert [next(read)[0].seq, next(read)[0].seq] == [1, 2]
    with pytest.raises(JournalDamaged, match="line 3 "):
        next(read)


def test_only_a_line_without_its_line_feed_is_torn() -> None:
    (line,) = written(1)
    assert not is_torn(line)
    assert all(is_torn(line[:end]) for end in range(len(line)))
