"""Messages, folders and people as the vendor writes them."""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from buddy.adapters.providers.msgraph.simulator import identifiers
from buddy.adapters.providers.msgraph.simulator.bodies import PROPERTIES
from buddy.adapters.providers.msgraph.simulator.failures import bad_query, no_property
from buddy.adapters.providers.msgraph.simulator.store import FOLDERS, Item, Mailbox

_SHOWN = (
    *("categories", "receivedDateTime", "sentDateTime", "hasAttachments", "internetMessageId", "subject"),
    *("bodyPreview", "importance", "parentFolderId", "conversationId", "conversationIndex"),
    *("isDeliveryReceiptRequested", "isReadReceiptRequested", "isRead", "isDraft", "webLink"),
    *("inferenceClassification", "body", "sender", "from", "toRecipients", "ccRecipients", "bccRecipients"),
    *("replyTo", "flag"),
)
_FIRST = ("id", "createdDateTime", "lastModifiedDateTime", "changeKey")
_ON_REQUEST = ("internetMessageHeaders", "uniqueBody")
_NAVIGATION = ("attachments", "extensions", "singleValueExtendedProperties", "multiValueExtendedProperties")
_EXPANDED = re.compile(r"singleValueExtendedProperties\(\$filter=\(?\s*id eq '((?:[^']|'')*)'\s*\)?\)", re.I)


class View(Struct, frozen=True, kw_only=True):
    """How a client wants messages shown.

    Attributes:
        lasting: ids that do not change.
        as_text: bodies as plain text.
        select: properties, None for those that are shown by default.
        attachments: with the attachments.
        property_id: with the extended property of this id.
    """

    lasting: bool = False
    as_text: bool = False
    select: tuple[str, ...] | None = None
    attachments: bool = False
    property_id: str = ""


def view(prefer: str, select: str | None, expand: str | None) -> View:
    """Read how messages are to be shown.

    Args:
        prefer: the header of that name.
        select: `$select`.
        expand: `$expand`.
    """
    wanted = None
    if select is not None:
        wanted = tuple(name.strip() for name in select.split(",") if name.strip())
        for name in wanted:
            if name not in PROPERTIES or name in _NAVIGATION:
                no_property(name)
    property_id, attachments = "", False
    for part in _parts(expand or ""):
        found = _EXPANDED.fullmatch(part)
        if found:
            property_id = found[1].replace("''", "'")
        elif part == "attachments":
            attachments = True
        elif part not in _NAVIGATION:
            bad_query(f"Parsing OData Select and Expand failed: '{part}' cannot be expanded.")
    return View(
        lasting=prefers_lasting(prefer),
        as_text=bool(re.search(r'outlook\.body-content-type\s*=\s*"?text"?', prefer, re.I)),
        select=wanted,
        attachments=attachments,
        property_id=property_id,
    )


def prefers_lasting(prefer: str) -> bool:
    """Whether a `Prefer` header asks for immutable ids."""
    return bool(re.search(r'IdType\s*=\s*"?ImmutableId"?', prefer, re.I))


def message(mailbox: Mailbox, item: Item, how: View, context: str = "") -> dict[str, Any]:
    """Write one message."""
    change = identifiers.change_key(mailbox.key, item.change)
    item_id = mailbox.id_of(item, how.lasting)
    shown: dict[str, Any] = {"@odata.context": context} if context else {}
    shown["@odata.etag"] = f'W/"{change}"'
    names: Iterable[str] = (*_FIRST, *_SHOWN) if how.select is None else ("id", *how.select)
    own = {
        "id": item_id,
        "changeKey": change,
        "parentFolderId": mailbox.folder_id(item.folder),
        "webLink": f"https://outlook.office365.com/owa/?ItemID={item_id}&exvsurl=1&viewmodel=ReadMessageItem",
        "bodyPreview": preview(item.content),
        "body": _body(item.content["body"], how.as_text),
        "uniqueBody": _body(item.content.get("uniqueBody") or item.content["body"], how.as_text),
    }
    for name in names:
        shown[name] = own[name] if name in own else item.content.get(name)
    if how.attachments:
        shown["attachments"] = attachments(mailbox, item)
    found = [one for one in item.content["singleValueExtendedProperties"] if one["id"] == how.property_id]
    if found:
        shown["singleValueExtendedProperties"] = found
    return shown


def attachments(mailbox: Mailbox, item: Item) -> list[dict[str, Any]]:
    """Write the attachments of a message."""
    return [
        {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "id": f"{mailbox.id_of(item, True)}-{place}",
            "lastModifiedDateTime": item.content["lastModifiedDateTime"],
            "name": one["name"],
            "contentType": one["contentType"],
            "size": len(one["contentBytes"]) * 3 // 4,
            "isInline": one["isInline"],
            "contentBytes": one["contentBytes"],
        }
        for place, one in enumerate(item.content["attachments"])
    ]


def folder(mailbox: Mailbox, name: str) -> dict[str, Any]:
    """Write one folder with its counts."""
    items = mailbox.within(name)
    return {
        "id": mailbox.folder_id(name),
        "displayName": FOLDERS[name],
        "parentFolderId": mailbox.folder_id("msgfolderroot"),
        "childFolderCount": 0,
        "unreadItemCount": sum(not item.content["isRead"] for item in items),
        "totalItemCount": len(items),
        "sizeInBytes": sum(len(item.content["body"]["content"] or "") for item in items),
        "isHidden": False,
    }


def user(mailbox: Mailbox) -> dict[str, Any]:
    """Write one person."""
    first, _, last = mailbox.name.partition(" ")
    return {
        "businessPhones": [],
        "displayName": mailbox.name,
        "givenName": first,
        "jobTitle": None,
        "mail": mailbox.address,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": last or None,
        "userPrincipalName": mailbox.address,
        "id": mailbox.user_id,
    }


def preview(content: Mapping[str, Any]) -> str:
    """The first 255 characters of what a message says."""
    return re.sub(r"\s+", " ", plain_text(content["body"])).strip()[:255]


def plain_text(body: Mapping[str, Any]) -> str:
    """What a body says, without its markup."""
    said = body["content"] or ""
    if body["contentType"] != "html":
        return said
    bare = re.sub(r"(?is)<(style|script|head)\b.*?</\1>", "", said)
    bare = re.sub(r"(?i)<br\s*/?>|</(p|div|tr|li|h\d)>", "\n", bare)
    return html.unescape(re.sub(r"<[^>]*>", "", bare))


def _body(body: Mapping[str, Any], as_text: bool) -> dict[str, Any]:
    return {"contentType": "text", "content": plain_text(body)} if as_text else dict(body)


def _parts(expand: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    found = re.findall(r"(?:[^,(]|\([^)]*\)+)+", expand)
    return [part.strip() for part in found if part.strip()]
