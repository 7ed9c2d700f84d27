"""What the vendor's wire means to Buddy: addresses, errors, and the mark on Buddy's own mail."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from buddy.adapters.providers.base.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    by_status,
)

BASE_URL = "https://graph.microsoft.com/v1.0"
AUTHORITY = "https://login.microsoftonline.com"
BIN = "deleteditems"
PREFER = 'IdType="ImmutableId", outlook.body-content-type="text"'
"""Ids that stay when a message is moved or sent, and bodies that people can read."""

MARK = "String {7c1f2a50-6a7e-4f0a-9c55-8f3b5d2e4b11} Name BuddyKey"
"""The extended property with the key of the call that made a message; it never leaves the mailbox."""

SHOWN = (
    *("id", "subject", "from", "toRecipients", "receivedDateTime", "isRead", "isDraft", "hasAttachments"),
    *("bodyPreview", "conversationId", "internetMessageId", "parentFolderId", "changeKey"),
)
"""Properties of a message that a list shows."""

_MEANINGS: dict[str, type[ProviderError]] = {
    "ErrorItemNotFound": NotFound,
    "ErrorInvalidIdMalformed": NotFound,
    "ErrorFolderNotFound": NotFound,
    "ErrorIrresolvableConflict": Conflict,
    "ErrorSendAsDenied": by_status(403),
}
"""The vendor's code -> what it means; where the status says it already, the code is not here."""


def meaning(status: int, body: Any) -> tuple[type[ProviderError], str]:
    """Return what an answer that is no success means, and the vendor's words for it."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return by_status(status), str(body)[:300]
    code, words = str(error.get("code", "")), str(error.get("message", ""))
    return _MEANINGS.get(code, by_status(status)), f"{code}: {words}"


def owner(mailbox: str) -> str:
    """Return where a mailbox is: the signed-in person's own where none is named."""
    return f"/users/{quote(mailbox, safe='@')}" if mailbox else "/me"


def segment(name: str) -> str:
    """Return an id as one segment of a path.

    Raises:
        InvalidRequest: it is a step in a path and would lead to another address.
    """
    if name in ("", ".", ".."):
        raise InvalidRequest(f"expected an id, found {name!r}")
    return quote(name, safe="")


def marked(key: str) -> dict[str, Any]:
    """Return what a message carries that was made by the call with this key."""
    return {"singleValueExtendedProperties": [{"id": MARK, "value": key}]}


def marked_filter(key: str) -> str:
    """Return the filter that finds what the call with this key made."""
    value = key.replace("'", "''")
    return f"singleValueExtendedProperties/any(ep: ep/id eq '{MARK}' and ep/value eq '{value}')"


def quoted(words: str) -> str:
    """Return search words as the vendor takes them."""
    inner = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def people(addresses: Iterable[str]) -> list[dict[str, Any]]:
    """Return addresses as recipients."""
    return [{"emailAddress": {"address": address}} for address in addresses]


def addresses(recipients: Iterable[Any]) -> list[str]:
    """Return the addresses of recipients."""
    return [one["emailAddress"].get("address") or "" for one in recipients or ()]


def draft(
    to: Iterable[str],
    subject: str,
    body: str,
    cc: Iterable[str] = (),
    bcc: Iterable[str] = (),
    html: bool = False,
) -> dict[str, Any]:
    """Return a message as the vendor takes it.

    Args:
        to: addresses.
        subject: one line.
        body: what it says.
        cc: addresses of copies.
        bcc: addresses of copies that the others do not see.
        html: the body is HTML and not plain text.
    """
    return {
        "subject": subject,
        "body": {"contentType": "html" if html else "text", "content": body},
        "toRecipients": people(to),
        "ccRecipients": people(cc),
        "bccRecipients": people(bcc),
    }
