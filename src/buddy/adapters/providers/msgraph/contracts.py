"""The mail tools and what they promise; nothing heavy is imported here."""

from collections.abc import Iterable
from typing import Any

from buddy.adapters.providers.base.tools import Offer
from buddy.model.contract import Rate, ToolContract
from buddy.model.mode import Effect, Risk, Undo

_MODULE = "buddy.adapters.providers.msgraph.operations"
_RATE = Rate(calls=10_000, seconds=600.0)
_CONCURRENCY = 4
"""The vendor's own limits of one application to one mailbox."""

_ID = {"type": "string", "minLength": 1, "description": "id of a message, as a list or a draft gave it"}
_ADDRESSES = {"type": "array", "items": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$"}}
_MAIL = {
    "to": {**_ADDRESSES, "minItems": 1, "maxItems": 500},
    "subject": {"type": "string", "maxLength": 255},
    "body": {"type": "string"},
    "cc": {**_ADDRESSES, "maxItems": 500},
    "bcc": {**_ADDRESSES, "maxItems": 500},
    "html": {"type": "boolean", "description": "the body is HTML and not plain text"},
}
_MESSAGES = {
    "type": "object",
    "properties": {"messages": {"type": "array", "items": {"type": "object", "required": ["id"]}}},
    "required": ["messages"],
}
_MESSAGE = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "subject": {"type": ["string", "null"]}},
    "required": ["id"],
}


def _args(properties: dict[str, Any], required: Iterable[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _read(name: str, summary: str, args: dict[str, Any], output: dict[str, Any], *resources: str) -> Offer:
    contract = ToolContract(
        name=name,
        summary=summary,
        risk=Risk.LOW,
        effect=Effect.READ,
        permissions=("mail.read",),
        resources=resources,
        max_concurrency=_CONCURRENCY,
        rate=_RATE,
        input=args,
        output=output,
    )
    return Offer(contract=contract, module=_MODULE, handlers=frozenset({"live", "mock"}))


def _write(
    name: str,
    summary: str,
    args: dict[str, Any],
    *,
    risk: Risk,
    undo: Undo,
    permission: str,
    resources: tuple[str, ...],
    depends_on: tuple[str, ...] = (),
) -> Offer:
    contract = ToolContract(
        name=name,
        summary=summary,
        risk=risk,
        effect=Effect.WRITE,
        undo=undo,
        permissions=(permission,),
        resources=resources,
        depends_on=depends_on,
        max_concurrency=_CONCURRENCY,
        rate=_RATE,
        timeout_s=60.0,
        input=args,
        output=_MESSAGE,
    )
    handlers = {"live", "mock", "preview", "probe"} | ({"undo"} if undo is not Undo.NONE else set())
    return Offer(contract=contract, module=_MODULE, handlers=frozenset(handlers))


_LIMIT = {"type": "integer", "minimum": 1, "maximum": 500}

OFFERS: tuple[Offer, ...] = (
    _read(
        "msgraph.test_connection",
        "Say whether the mailbox can be read.",
        _args({}, ()),
        {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
    ),
    _read(
        "msgraph.list",
        "List the messages of a folder, newest first.",
        _args({"folder": {"type": "string"}, "limit": _LIMIT, "unread_only": {"type": "boolean"}}, ()),
        _MESSAGES,
    ),
    _read(
        "msgraph.search",
        "Search all folders of the mailbox for words.",
        _args({"query": {"type": "string", "minLength": 1}, "limit": _LIMIT}, ("query",)),
        _MESSAGES,
    ),
    _read(
        "msgraph.get",
        "Read one message with its body.",
        _args({"message_id": _ID}, ("message_id",)),
        _MESSAGE,
        "message:{message_id}",
    ),
    _write(
        "msgraph.draft",
        "Put a draft into the mailbox; nothing is sent.",
        _args(_MAIL, ("to", "subject", "body")),
        risk=Risk.LOW,
        undo=Undo.EXACT,
        permission="mail.write",
        resources=("mail-to:{to}",),
    ),
    _write(
        "msgraph.send_draft",
        "Send a draft that is in the mailbox.",
        _args({"message_id": _ID}, ("message_id",)),
        risk=Risk.HIGH,
        undo=Undo.NONE,
        permission="mail.send",
        resources=("message:{message_id}",),
        depends_on=("msgraph.draft",),
    ),
    _write(
        "msgraph.send",
        "Send a mail.",
        _args(_MAIL, ("to", "subject", "body")),
        risk=Risk.HIGH,
        undo=Undo.NONE,
        permission="mail.send",
        resources=("mail-to:{to}",),
    ),
    _write(
        "msgraph.reply",
        "Answer a message.",
        _args(
            {"message_id": _ID, "body": {"type": "string"}, "everybody": {"type": "boolean"}},
            ("message_id", "body"),
        ),
        risk=Risk.HIGH,
        undo=Undo.NONE,
        permission="mail.send",
        resources=("message:{message_id}",),
    ),
    _write(
        "msgraph.mark_read",
        "Mark a message as read, or as unread.",
        _args({"message_id": _ID, "read": {"type": "boolean"}}, ("message_id",)),
        risk=Risk.LOW,
        undo=Undo.EXACT,
        permission="mail.write",
        resources=("message:{message_id}",),
    ),
    _write(
        "msgraph.delete",
        "Move a message to the deleted items.",
        _args({"message_id": _ID}, ("message_id",)),
        risk=Risk.MEDIUM,
        undo=Undo.EXACT,
        permission="mail.write",
        resources=("message:{message_id}",),
    ),
)
"""Every mail tool."""
