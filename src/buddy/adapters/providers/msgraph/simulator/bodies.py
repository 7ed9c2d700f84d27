"""Request bodies: what a client may write of a message, checked as the vendor checks it."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from buddy.adapters.providers.msgraph.simulator.failures import bad_body, refuse

LIMIT = 4 * 1024 * 1024
"""Bytes of one request; the vendor takes no larger ones."""

_ENUMS = {
    "contentType": ("text", "html"),
    "importance": ("low", "normal", "high"),
    "inferenceClassification": ("focused", "other"),
    "flagStatus": ("notFlagged", "complete", "flagged"),
}


class EmailAddress(Struct, kw_only=True, forbid_unknown_fields=True):
    """A name and where it is reached."""

    name: str | UnsetType | None = UNSET
    address: str | UnsetType | None = UNSET


class Recipient(Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody a message goes to or comes from."""

    emailAddress: EmailAddress


class ItemBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a message says."""

    contentType: str = "text"
    content: str | None = ""


class Flag(Struct, kw_only=True, forbid_unknown_fields=True):
    """A mark to come back to."""

    flagStatus: str
    startDateTime: dict[str, str] | UnsetType | None = UNSET
    dueDateTime: dict[str, str] | UnsetType | None = UNSET
    completedDateTime: dict[str, str] | UnsetType | None = UNSET


class Header(Struct, kw_only=True, forbid_unknown_fields=True):
    """A header of the sender's own."""

    name: str
    value: str


class Property(Struct, kw_only=True, forbid_unknown_fields=True):
    """An extended property: data that an application keeps with a message."""

    id: str
    value: str


class Attachment(Struct, kw_only=True):
    """A file that goes along."""

    name: str = ""
    contentType: str | None = None
    contentBytes: str = ""
    isInline: bool = False


class Message(Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The vendor's message type as a client may hand it in; what only the server sets is read past."""

    subject: str | UnsetType | None = UNSET
    body: ItemBody | UnsetType | None = UNSET
    importance: str | UnsetType | None = UNSET
    toRecipients: list[Recipient] | UnsetType | None = UNSET
    ccRecipients: list[Recipient] | UnsetType | None = UNSET
    bccRecipients: list[Recipient] | UnsetType | None = UNSET
    replyTo: list[Recipient] | UnsetType | None = UNSET
    from_: Recipient | UnsetType | None = UNSET
    sender: Recipient | UnsetType | None = UNSET
    isRead: bool | UnsetType | None = UNSET
    categories: list[str] | UnsetType | None = UNSET
    flag: Flag | UnsetType | None = UNSET
    inferenceClassification: str | UnsetType | None = UNSET
    isDeliveryReceiptRequested: bool | UnsetType | None = UNSET
    isReadReceiptRequested: bool | UnsetType | None = UNSET
    internetMessageHeaders: list[Header] | UnsetType | None = UNSET
    singleValueExtendedProperties: list[Property] | UnsetType | None = UNSET
    attachments: list[Attachment] | UnsetType | None = UNSET
    id: Any = UNSET
    changeKey: Any = UNSET
    createdDateTime: Any = UNSET
    lastModifiedDateTime: Any = UNSET
    receivedDateTime: Any = UNSET
    sentDateTime: Any = UNSET
    hasAttachments: Any = UNSET
    internetMessageId: Any = UNSET
    bodyPreview: Any = UNSET
    parentFolderId: Any = UNSET
    conversationId: Any = UNSET
    conversationIndex: Any = UNSET
    isDraft: Any = UNSET
    webLink: Any = UNSET
    uniqueBody: Any = UNSET
    extensions: Any = UNSET
    multiValueExtendedProperties: Any = UNSET


SERVER_SET = frozenset(one.encode_name for one in msgspec.structs.fields(Message) if one.type is Any)
"""Properties that a client may hand in and only the server sets."""
PROPERTIES = frozenset(Message.__struct_encode_fields__)
"""Every property of a message that a query may name."""

_LISTS = ("toRecipients", "ccRecipients", "bccRecipients", "replyTo", "categories", "internetMessageHeaders")


def parse(raw: bytes) -> dict[str, Any]:
    """Read a body, which must be a JSON object; annotations (`@odata.`) are dropped."""
    if len(raw) > LIMIT:
        refuse(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
    if not raw.strip():
        refuse(400, "BadRequest", "Empty Payload. JSON content expected.")
    try:
        found = _plain(msgspec.json.decode(raw))
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        why = "Please ensure Content-Type header is set and payload is of valid JSON format."
        refuse(400, "BadRequest", f"Unable to read JSON request payload. {why}")
    return found


def parameters(raw: bytes, allowed: tuple[str, ...]) -> dict[str, Any]:
    """Read the parameters of an action; their first letters may be capital, as some clients send them."""
    found: dict[str, Any] = {}
    for key, value in (parse(raw) if raw.strip() else {}).items():
        name = next((one for one in allowed if one.lower() == key.lower()), None)
        if name is None:
            refuse(
                400, "BadRequest", f"The parameter '{key}' in the request payload is not a valid parameter."
            )
        found[name] = value
    return found


def message(given: Any) -> dict[str, Any]:
    """Check a message and return what a client may set of it, nothing more."""
    if not isinstance(given, dict):
        bad_body("Expected an object of type 'microsoft.graph.message'.")
    for name in given:
        if name not in PROPERTIES:
            bad_body(
                f"The property '{name}' does not exist on type 'microsoft.graph.message'. Make sure to only"
                " use property names that are defined by the type."
            )
    found: dict[str, Any] = msgspec.to_builtins(_convert(given, Message))
    plain = {name: value for name, value in found.items() if name not in SERVER_SET}
    for name in _LISTS:
        if name in plain:
            plain[name] = plain[name] or []
    _check_enums(plain)
    _check_headers(plain.get("internetMessageHeaders", ()))
    return plain


def recipients(given: Any) -> list[dict[str, Any]]:
    """Check a list of recipients."""
    found: list[dict[str, Any]] = msgspec.to_builtins(_convert(given or [], list[Recipient]))
    return found


def text(given: Any, name: str) -> str:
    """Check a parameter that is a text."""
    if not isinstance(given, str | None):
        bad_body(f"Cannot convert the value of '{name}' to the expected type 'Edm.String'.")
    return given or ""


def flag(given: Any, name: str, default: bool) -> bool:
    """Check a parameter that is true or false."""
    if not isinstance(given, bool | None):
        bad_body(f"Cannot convert the value of '{name}' to the expected type 'Edm.Boolean'.")
    return default if given is None else given


def _convert(given: Any, wanted: Any) -> Any:
    try:
        return msgspec.convert(given, wanted)
    except msgspec.ValidationError as problem:
        bad_body(f"Cannot convert a value in the request payload: {problem}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items() if "@odata." not in key}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _check_enums(value: Any) -> None:
    """Bring the words of enumerations into the vendor's spelling, whatever their case was."""
    if isinstance(value, list):
        for entry in value:
            _check_enums(entry)
    if not isinstance(value, dict):
        return
    for name, entry in value.items():
        words = _ENUMS.get(name)
        if words is None or entry is None or "contentBytes" in value:
            _check_enums(entry)
            continue
        word = next((one for one in words if one.lower() == str(entry).lower()), None)
        if word is None:
            bad_body(f"Cannot convert the literal '{entry}' to the expected type of '{name}'.")
        value[name] = word


def _check_headers(headers: list[Mapping[str, str]]) -> None:
    for header in headers:
        if not re.fullmatch(r"[xX]-[!-9;-~]+", header["name"]):
            name = header["name"]
            why = f"The internet message header name '{name}' should start with 'x-' or 'X-'."
            refuse(400, "InvalidInternetMessageHeader", why)
    if len(headers) > 5:
        why = "Maximum number of headers in one message should be less than or equal to 5."
        refuse(400, "InvalidInternetMessageHeaderCollection", why)
