"""Signed heads: every field counts, and a journal that is no longer what was signed is found."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.core.signing import (
    CHECKS,
    MOST_WRONG,
    PublicKey,
    Signatures,
    SignedHead,
    message,
    public_key,
    public_keys,
    signed,
)
from buddy.errors import BadInput
from buddy.journal.codec import Head
from unit.core.journals import RUN, Story, at, chained

KEY = PublicKey(bytes(range(32)))
OTHER = PublicKey(bytes(32))


def sign_as(key: PublicKey) -> Callable[[bytes], bytes]:
    """A scheme for tests: who knows the key can sign, and each message has one signature."""
    return lambda told: hashlib.sha512(key.raw + told).digest()


def proves(key: bytes, told: bytes, signature: bytes) -> bool:
    return hashlib.sha512(key + told).digest() == signature


def head_at(lines: list[bytes], seq: int) -> Head:
    return Head(seq, lines[seq - 1][-67:-3].decode())


def told_lines() -> list[bytes]:
    lines, _ = Story().live("s").live("again", args={"of": "more"}).finished().lines()
    return lines


LINES = told_lines()
END = len(LINES)
REST = END - 4
"""Line at which the run once was held."""


def sig(seq: int = END, key: PublicKey = KEY, run: str = RUN, lines: list[bytes] = LINES) -> bytes:
    return signed(run, head_at(lines, seq), at(1), key, sign_as(key))


def look(content: bytes | None, lines: list[bytes] = LINES, *keys: PublicKey, run: str = RUN) -> list[Any]:
    found = Signatures(content, keys or (KEY,), proves)
    assert list(found.watch(lines)) == lines
    return list(found.finish(run))


def rules(*args: Any, **fields: Any) -> list[str]:
    return [violation.rule for violation in look(*args, **fields)]


# the honest run


def test_a_signed_run_is_clean_and_its_earlier_rests_too() -> None:
    found = Signatures(sig(REST) + sig(), (KEY,), proves)
    assert list(found.watch(LINES)) == LINES
    assert list(found.finish(RUN)) == []
    assert [head.seq for head in found.heads] == [REST, END]


def test_a_line_says_what_was_signed() -> None:
    head = msgspec.json.decode(sig(), type=SignedHead)
    expected = head_at(LINES, END)
    assert (head.format, head.run_id, head.seq, head.hash) == (1, RUN, END, expected.hash)
    assert (head.time, head.key_id) == (at(1), KEY.key_id)
    assert message(head) == (
        b"buddy signed head\n"
        b'{"format":1,"hash":"%s","key_id":"%s","run_id":"run_1","seq":%d,"time":"%s"}'
        % (expected.hash.encode(), KEY.key_id.encode(), END, at(1).encode())
    )


def test_keys_that_were_changed_in_the_middle_are_given_both() -> None:
    content = sig(REST) + sig(key=OTHER)
    assert look(content, LINES, KEY, OTHER) == []
    assert rules(content, LINES, OTHER) == ["signature_invalid"]
    assert rules(content, LINES, KEY) == ["signature_invalid", "signature_differs"]


def test_the_same_rest_signed_twice_is_no_matter() -> None:
    assert look(sig() + sig()) == []


# the signatures


FORGED: dict[str, Any] = {
    "format": 2,
    "run_id": "run_2",
    "seq": END - 1,
    "hash": "0" * 64,
    "time": at(2),
    "key_id": OTHER.key_id,
    "signature": sig(REST).split(b'"')[-2].decode(),
}


def test_every_field_has_its_forgery() -> None:
    assert FORGED.keys() == set(SignedHead.__struct_fields__)


@pytest.mark.parametrize("field", FORGED)
def test_a_field_that_was_forged_is_found(field: str) -> None:
    head = msgspec.json.decode(sig(), type=SignedHead)
    forged = msgspec.json.encode(msgspec.structs.replace(head, **{field: FORGED[field]})) + b"\n"
    for keys in ((KEY,), (KEY, OTHER)):
        assert rules(forged, LINES, *keys) == ["signature_invalid", "signature_missing"]


def test_a_signature_of_somebody_else_is_found() -> None:
    [first, second] = look(sig(key=OTHER))
    assert (first.rule, second.rule) == ("signature_invalid", "signature_missing")
    assert OTHER.key_id in first.message
    assert KEY.key_id in first.message


def test_a_signature_for_another_purpose_does_not_pass() -> None:
    head = msgspec.json.decode(sig(), type=SignedHead)
    bare = message(head).split(b"\n", 1)[1]
    assert not proves(KEY.raw, bare, sign_as(KEY)(message(head)))


def test_the_head_of_another_run_is_found() -> None:
    assert rules(sig(run="run_2")) == ["signature_invalid"]
    assert rules(sig(), run="run_2") == ["signature_invalid"]


def test_where_the_journal_does_not_say_its_run_nobody_is_accused_of_that() -> None:
    assert look(sig(), run="") == []


@pytest.mark.parametrize("content", [None, b""])
def test_a_run_without_a_signature_is_found(content: bytes | None) -> None:
    [only] = look(content)
    assert (only.rule, only.seq) == ("signature_missing", 0)


GARBAGE = [
    b"\n",
    b"hello\n",
    b"\xff\xfe\n",
    b"[]\n",
    b"{}\n",
    b"[" * 5000,
    sig()[:-1],
    sig()[:-20],
    sig().replace(b'{"', b'{ "'),
    sig().replace(b'"seq":', b'"seq":-'),
    sig()[:-2] + b',"more":1}\n',
    sig().replace(b"==", b"="),
    sig().replace(b'"signature":"', b'"signature":"\\u00e9'),
]


@pytest.mark.parametrize("junk", GARBAGE)
def test_garbage_is_found_and_not_stumbled_over(junk: bytes) -> None:
    assert set(rules(junk)) == {"signature_invalid", "signature_missing"}
    assert rules(junk[:-1] + b"\n" + sig()) == ["signature_invalid"]


def test_a_file_of_nothing_but_garbage_is_not_told_line_by_line() -> None:
    found = look(b"x\n" * 10 * MOST_WRONG)
    assert len(found) == MOST_WRONG + 2
    assert f"line {MOST_WRONG}" in found[MOST_WRONG].message


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_byte_of_a_signed_head_can_be_changed_unseen(data: st.DataObject) -> None:
    whole = sig(REST) + sig()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    assert look(whole[:place] + bytes([byte]) + whole[place + 1 :])


# the journal


def rewritten(place: int) -> list[bytes]:
    """A journal with another word at a place, its chain recomputed to the end."""
    story = Story().live("s").live("again", args={"of": "more"}).finished()
    told = list(zip(story.events, story.times, strict=True))
    told[place] = (told[place][0], at(1000))
    lines, _ = chained(told)
    return lines


@pytest.mark.parametrize("place", [0, REST - 1])
def test_a_journal_written_anew_differs_from_every_rest_after_that(place: int) -> None:
    found = look(sig(REST) + sig(), rewritten(place))
    assert [(one.rule, one.seq) for one in found] == [("signature_differs", REST), ("signature_differs", END)]
    assert "written anew" in found[0].message


def test_what_was_signed_before_the_change_still_holds() -> None:
    found = look(sig(REST) + sig(), rewritten(REST))
    assert [(one.rule, one.seq) for one in found] == [("signature_differs", END)]


def test_a_tail_that_was_cut_off_is_found() -> None:
    [only] = look(sig(REST) + sig(), LINES[:-1])
    assert (only.rule, only.seq) == ("signature_differs", END - 1)
    assert "cut off" in only.message
    assert rules(sig(REST) + sig(), LINES[: REST - 1]) == ["signature_differs"] * 2


def test_a_last_line_that_is_torn_is_no_line() -> None:
    assert rules(sig(), [*LINES[:-1], LINES[-1][:-1]]) == ["signature_differs"]


def test_a_tail_that_nobody_signed_is_found() -> None:
    [only] = look(sig(REST))
    assert (only.rule, only.seq) == ("signature_differs", REST)
    assert "goes on" in only.message


def test_that_a_run_goes_on_contradicts_nothing() -> None:
    found = Signatures(sig(REST), (KEY,), proves)
    list(found.watch(LINES))
    assert list(found.contradictions()) == []
    found = Signatures(sig(REST), (KEY,), proves)
    list(found.watch(rewritten(0)))
    assert [one.rule for one in found.contradictions()] == ["signature_differs"]


def test_every_check_is_broken_by_some_test_here() -> None:
    assert {"signature_missing", "signature_invalid", "signature_differs"} == CHECKS.keys()


# public keys


def test_a_public_key_is_read_as_it_is_written() -> None:
    assert public_key(str(KEY), "--key") == KEY
    assert str(KEY) == "ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert KEY.key_id == hashlib.sha256(KEY.raw).hexdigest()[:16]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:",
        "ed25519:AAAA",
        str(KEY)[:-1],
        str(KEY).replace("=", "=="),
        f"{KEY} ",
        str(KEY).replace("8=", "9="),
        str(KEY).replace("ed25519:", "rsa:"),
        str(KEY).replace("A", "é"),
        "hunter2",
    ],
)
def test_what_is_no_public_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--key: expected a public key") as caught:
        public_key(text, "--key")
    assert "hunter2" not in str(caught.value)


def test_a_file_has_one_key_a_line_and_room_for_words() -> None:
    assert public_keys(f"# ours\n{KEY}\n\n  {OTHER}  \r\n", "keys") == (KEY, OTHER)


def test_a_file_with_something_else_is_refused_by_its_line() -> None:
    with pytest.raises(BadInput, match="keys: line 2: expected a public key"):
        public_keys(f"{KEY}\n-----BEGIN PRIVATE KEY-----\n", "keys")
    with pytest.raises(BadInput, match="found none"):
        public_keys("# nothing\n", "keys")
