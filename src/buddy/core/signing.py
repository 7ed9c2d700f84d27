"""Signed heads: what is signed when a run comes to rest, and whether a journal is still what was signed.

A head is the number and the hash of a journal's last line, so a signature over it fixes every line before it.
What makes and checks a signature (Ed25519) is passed in.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from buddy.core.audit_rules import Violation
from buddy.core.canonical import canonical
from buddy.errors import BadInput
from buddy.journal.codec import Head, is_torn

FILE = "head.sig"
FORMAT = 1
MOST_WRONG = 100
"""Lines of a file of signatures that are reported one by one."""

CHECKS: dict[str, str] = {
    "signature_missing": "the run is signed; checked where a public key is given, as the next two",
    "signature_invalid": "every signature was made for this run, with a key that was given",
    "signature_differs": "the journal is the one that was signed, and ends where it was signed last",
}
"""What is checked with a public key, and what holds where it holds."""

_SCHEME = "ed25519:"
_KEY_BYTES = 32
_DOMAIN = b"buddy signed head\n"
"""Begins whatever is signed, so that no signature made for something else passes for one of a head."""

_HASH = slice(-67, -3)
"""Where a line of a journal has its hash."""

Sign = Callable[[bytes], bytes]
"""Message -> signature."""
Proves = Callable[[bytes, bytes, bytes], bool]
"""Raw public key, message, signature -> whether the key's owner signed that message."""


class PublicKey(Struct, frozen=True):
    """The half of a key that anybody may have.

    Attributes:
        raw: its 32 bytes.
    """

    raw: bytes

    def __str__(self) -> str:
        return f"{_SCHEME}{base64.b64encode(self.raw).decode()}"

    @property
    def key_id(self) -> str:
        """What signatures call the key by: the first 64 bits of its SHA-256, in hex."""
        return hashlib.sha256(self.raw).hexdigest()[:16]


def public_key(text: str, place: str) -> PublicKey:
    """Read `ed25519:` and the base64 of 32 bytes.

    Args:
        text: of the key, without anything around it.
        place: where it comes from, for the error, which never shows the text: it may be a secret by mistake.

    Raises:
        BadInput: it is no public key.
    """
    raw = _from_base64(text.removeprefix(_SCHEME)) if text.startswith(_SCHEME) else b""
    if len(raw) != _KEY_BYTES:
        raise BadInput(
            f"{place}: expected a public key (ed25519: and 44 characters of base64) as `buddy keys show`"
            " prints it, found something else"
        )
    return PublicKey(raw)


def public_keys(text: str, place: str) -> tuple[PublicKey, ...]:
    """Read a file of public keys: one a line, empty lines and those that begin with `#` left out.

    Args:
        text: of the file.
        place: its path, for errors.

    Raises:
        BadInput: it holds no public key, or something else.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    told = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not told:
        raise BadInput(f"{place}: expected public keys, one a line, found none")
    return tuple(public_key(line, f"{place}: line {number}") for number, line in told)


class SignedHead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `head.sig`: where the journal ended when the run came to rest.

    Attributes:
        format: of this record.
        run_id: of the run.
        seq, hash: of the journal's last line.
        time: of signing, UTC ISO 8601.
        key_id: of the key that signed.
        signature: over all of the above, base64.
    """

    format: int
    run_id: str
    seq: int
    hash: str
    time: str
    key_id: str
    signature: str = ""


def message(head: SignedHead) -> bytes:
    """Return what is signed of a head: all else of it, in canonical JSON, after a domain of its own."""
    told = {name: getattr(head, name) for name in head.__struct_fields__ if name != "signature"}
    return _DOMAIN + canonical(told)


def signed(run_id: str, head: Head, time: str, key: PublicKey, sign: Sign) -> bytes:
    """Sign a head.

    Args:
        run_id: of the run.
        head: where its journal ends.
        time: UTC ISO 8601.
        key: the public half of the key that signs.
        sign: makes the signature.

    Returns:
        The line of `head.sig`, with its line feed.
    """
    told = SignedHead(
        format=FORMAT, run_id=run_id, seq=head.seq, hash=head.hash, time=time, key_id=key.key_id
    )
    signature = base64.b64encode(sign(message(told))).decode()
    return _line(msgspec.structs.replace(told, signature=signature))


def _line(head: SignedHead) -> bytes:
    return msgspec.json.encode(head) + b"\n"


def _from_base64(text: str) -> bytes:
    """Return the bytes that a text stands for, none where it is not the one spelling of any."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


class Signatures:
    """The signed heads of a run, held against its journal as that is read.

    Args:
        content: of `head.sig`, None where there is no such file.
        keys: that may have signed.
        proves: checks a signature.

    Attributes:
        heads: those whose signature is one of these keys, in the order of the file.
    """

    def __init__(self, content: bytes | None, keys: Iterable[PublicKey], proves: Proves) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._proves = proves
        self.heads: list[SignedHead] = []
        self._invalid: list[Violation] = []
        self._differ: list[Violation] = []
        self._open: dict[int, list[SignedHead]] = {}
        self._lines = 0
        for number, line in enumerate((content or b"").splitlines(keepends=True), 1):
            self._take(line, number)
            if len(self._invalid) == MOST_WRONG:
                self._invalid.append(_invalid(0, f"what follows line {number} of {FILE} was not looked at"))
                break

    def _take(self, line: bytes, number: int) -> None:
        try:
            head = msgspec.json.decode(line, type=SignedHead)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._invalid.append(_invalid(0, f"line {number} of {FILE} is no signed head"))
            return
        wrong = self._wrong(head, line)
        if wrong:
            self._invalid.append(_invalid(max(head.seq, 0), f"line {number} of {FILE}: {wrong}"))
            return
        self.heads.append(head)
        self._open.setdefault(head.seq, []).append(head)

    def _wrong(self, head: SignedHead, line: bytes) -> str:
        """Return what is wrong with a signed head by itself, empty where nothing is."""
        key = self._keys.get(head.key_id)
        if head.format != FORMAT:
            return f"it is of format {head.format}, and this Buddy knows {FORMAT}"
        if key is None:
            return f"it was signed with key {head.key_id[:64]!r}, which is none of {', '.join(self._keys)}"
        if _line(head) != line or not self._proves(key.raw, message(head), _from_base64(head.signature)):
            return f"the signature is none of key {key.key_id} over this head"
        return ""

    def watch(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the lines of the journal, and compare those that were signed.

        Args:
            lines: each with its line feed. Whether they follow from each other is checked by who reads them.
        """
        for line in lines:
            if not is_torn(line):
                self._lines += 1
                for one in self._open.pop(self._lines, ()):
                    if one.hash.encode() != line[_HASH]:
                        told = f"line {one.seq} is not the one that was signed at {one.time}"
                        self._differ.append(_differs(one.seq, f"{told}: the journal was written anew"))
            yield line

    def contradictions(self) -> Iterator[Violation]:
        """Yield where the journal, watched to its end, is not what was signed; it may go on after that."""
        yield from self._differ
        for one in (head for heads in self._open.values() for head in heads):
            told = f"the journal has {self._lines} lines, and line {one.seq} was signed at {one.time}"
            yield _differs(self._lines, f"{told}: some were cut off")

    def finish(self, run_id: str) -> Iterator[Violation]:
        """Yield all that is wrong, now that the journal was watched to its end.

        Args:
            run_id: of the journal, empty where it does not say.
        """
        yield from self._invalid
        for head in self.heads:
            if head.run_id != run_id and run_id:
                yield _invalid(head.seq, f"the head at line {head.seq} was signed for run {head.run_id!r}")
        yield from self.contradictions()
        if not self.heads:
            told = f"no signature in {FILE} holds" if self._invalid else f"there is no {FILE}, or it is empty"
            yield Violation(rule="signature_missing", seq=0, message=told)
        elif self.heads[-1].seq < self._lines:
            last = self.heads[-1].seq
            told = f"the journal goes on to line {self._lines} after line {last}, where it was signed last"
            yield _differs(last, told)


def _invalid(seq: int, told: str) -> Violation:
    return Violation(rule="signature_invalid", seq=seq, message=told)


def _differs(seq: int, told: str) -> Violation:
    return Violation(rule="signature_differs", seq=seq, message=told)
