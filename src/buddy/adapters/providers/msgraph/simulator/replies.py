"""Replies and forwards: the draft that answers a message."""

import html
from collections.abc import Mapping
from typing import Any

from buddy.adapters.providers.msgraph.simulator.failures import refuse
from buddy.adapters.providers.msgraph.simulator.rendering import plain_text
from buddy.adapters.providers.msgraph.simulator.store import Item, Mailbox


def draft(
    mailbox: Mailbox, original: Item, kind: str, comment: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of a draft.

    Args:
        mailbox: of who answers.
        original: what is answered.
        kind: `reply`, `replyAll` or `forward`.
        comment: text above the original.
        given: properties that the client sets itself.
    """
    if comment and given.get("body"):
        why = "Comment and Message.Body are mutually exclusive; only one of them can be specified."
        refuse(400, "ErrorInvalidRequest", why)
    source = original.content
    prefix = "FW: " if kind == "forward" else "RE: "
    subject = source["subject"] or ""
    while subject[:4].upper() in ("RE: ", "FW: "):
        subject = subject[4:]
    content: dict[str, Any] = {
        "subject": prefix + subject,
        "body": _quoted(comment, source),
        "conversationId": source["conversationId"],
        "inReplyTo": source["internetMessageId"],
    }
    if kind == "forward":
        content["attachments"] = source["attachments"]
    else:
        content |= _answered(mailbox, source, everybody=kind == "replyAll")
    return {**content, **given}


def _answered(mailbox: Mailbox, source: Mapping[str, Any], *, everybody: bool) -> dict[str, Any]:
    if source["from"]["emailAddress"].get("address", "").lower() == mailbox.address:
        to = list(source["toRecipients"])
    else:
        to = list(source["replyTo"] or [source["from"]])
    if not everybody:
        return {"toRecipients": to}
    seen = {mailbox.address, *(_address(one) for one in to)}
    others = [one for one in source["toRecipients"] if _address(one) not in seen]
    seen |= {_address(one) for one in others}
    copies = [one for one in source["ccRecipients"] if _address(one) not in seen]
    return {"toRecipients": to + others, "ccRecipients": copies}


def _address(recipient: Mapping[str, Any]) -> str:
    return str(recipient["emailAddress"].get("address") or "").lower()


def _quoted(comment: str, source: Mapping[str, Any]) -> dict[str, str]:
    sender = source["from"]["emailAddress"]
    head = f"From: {sender.get('name')} <{sender.get('address')}>\nSent: {source['sentDateTime']}\n"
    head += (
        f"To: {'; '.join(_address(one) for one in source['toRecipients'])}\nSubject: {source['subject']}\n"
    )
    if source["body"]["contentType"] != "html":
        said = plain_text(source["body"])
        return {
            "contentType": "text",
            "content": f"{comment}\n\n________________________________\n{head}\n{said}",
        }
    above, lines = (html.escape(text).replace("\n", "<br>") for text in (comment, head))
    content = f"<html><body><div>{above}</div><hr><div>{lines}</div>{source['body']['content']}</body></html>"
    return {"contentType": "html", "content": content}
