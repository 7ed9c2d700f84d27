"""Ids in the vendor's shapes, made from what they stand for, so that a seed gives the same ones.

A regular id names the place of an item and changes when the item is moved; a lasting (immutable) id does not.
"""

import base64
import hashlib
import re

_REGULAR = re.compile(r"AAMk[A-Za-z0-9_-]{64}AAA=")
_LASTING = re.compile(r"AAkALg[A-Za-z0-9_-]{48}AA2")
_FOLDER = re.compile(r"AQMk[A-Za-z0-9_-]{48}AAAA=")


def _code(length: int, *parts: object) -> str:
    text = "\0".join(map(str, parts)).encode()
    digest = hashlib.blake2b(text, digest_size=48).digest()
    return base64.urlsafe_b64encode(digest).decode()[:length]


def regular(mailbox: str, number: int, moves: int) -> str:
    """The id of an item where it lies now."""
    return f"AAMk{_code(64, 'item', mailbox, number, moves)}AAA="


def lasting(mailbox: str, number: int) -> str:
    """The id of an item for as long as it stays in its mailbox."""
    return f"AAkALg{_code(48, 'lasting', mailbox, number)}AA2"


def folder(mailbox: str, name: str) -> str:
    """The id of a folder."""
    return f"AQMk{_code(48, 'folder', mailbox, name)}AAAA="


def conversation(mailbox: str, number: int) -> str:
    """The id of the conversation that an item begins."""
    return f"AAQk{_code(44, 'conversation', mailbox, number)}="


def conversation_index(conversation_id: str, place: int) -> str:
    """Where in a conversation an item stands, in base64."""
    head = b"\x01" + hashlib.blake2b(conversation_id.encode(), digest_size=21).digest()
    return base64.b64encode(head + b"\0\0\0\0\1" * place).decode()


def change_key(mailbox: str, change: int) -> str:
    """The version of an item."""
    return f"CQAAABYAAA{_code(16, 'change', mailbox, change)}AAA{change:05d}"


def guid(*parts: object) -> str:
    """A GUID that stands for something."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"


def is_item(text: str) -> bool:
    """Whether a text has the form of an item's id."""
    return bool(_REGULAR.fullmatch(text) or _LASTING.fullmatch(text))


def is_folder(text: str) -> bool:
    """Whether a text has the form of a folder's id."""
    return bool(_FOLDER.fullmatch(text))
