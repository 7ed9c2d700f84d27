"""Mailboxes in memory, and the mail that goes between them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from buddy.adapters.providers.msgraph.simulator import identifiers
from buddy.adapters.providers.msgraph.simulator.failures import malformed_id, no_recipients, not_found, refuse

FOLDERS: Mapping[str, str] = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
}
"""Well-known name of a folder -> what people see."""

HIDDEN = "recoverableitemspurges"
"""Where purged items end; nothing lists it."""

_ON_DRAFTS_ONLY = (
    *("subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "from", "sender"),
)
_OF_THE_PLACE = ("createdDateTime", "receivedDateTime", "lastModifiedDateTime")
_DEFAULTS: Mapping[str, Any] = {
    "categories": [],
    "hasAttachments": False,
    "subject": "",
    "importance": "normal",
    "isDeliveryReceiptRequested": False,
    "isReadReceiptRequested": False,
    "isRead": True,
    "isDraft": True,
    "inferenceClassification": "focused",
    "body": {"contentType": "text", "content": ""},
    "toRecipients": [],
    "ccRecipients": [],
    "bccRecipients": [],
    "replyTo": [],
    "flag": {"flagStatus": "notFlagged"},
    "internetMessageHeaders": [],
    "singleValueExtendedProperties": [],
    "attachments": [],
}


class Item(Struct, frozen=True, kw_only=True):
    """One message in a mailbox.

    Attributes:
        number: of the item, for as long as it is there.
        folder: well-known name of where it lies.
        moves: how often it was moved, which is what its regular id depends on.
        change: number of the change that it is the result of.
        content: the vendor's properties, but those that follow from the others.
    """

    number: int
    folder: str
    moves: int = 0
    change: int = 0
    content: Mapping[str, Any]


class Sent(Struct, frozen=True, kw_only=True):
    """One mail that left a mailbox, for whoever counts.

    Attributes:
        mailbox: address of the sender.
        recipients: addresses, in order.
        subject: as sent.
        internet_message_id: its name in the world.
        properties: the extended properties that it was sent with.
    """

    mailbox: str
    recipients: tuple[str, ...]
    subject: str
    internet_message_id: str
    properties: tuple[str, ...]


class Mailbox:
    """The messages of one person.

    Args:
        address: e-mail address.
        name: of the person.
        now: seconds since the epoch.
        seed: of the ids.
    """

    def __init__(self, address: str, name: str, now: Callable[[], float], seed: int) -> None:
        self.address, self.name = address.lower(), name
        self.key = f"{seed}/{self.address}"
        self.user_id = identifiers.guid("user", self.key)
        self.items: dict[int, Item] = {}
        self._now = now
        self._ids: dict[str, int] = {}
        self._named: dict[int, str] = {}
        self._folders = {identifiers.folder(self.key, name): name for name in FOLDERS}
        self._threads: dict[str, str] = {}
        self._lengths: Counter[str] = Counter()
        self._last = 0
        self._change = 0

    @property
    def as_recipient(self) -> dict[str, Any]:
        """The person as the sender or receiver of a message."""
        return {"emailAddress": {"name": self.name, "address": self.address}}

    def time(self) -> str:
        """What time it is, as the vendor writes it."""
        return datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def item(self, item_id: str, folder: str | None = None) -> Item:
        """Find a message by either of its ids.

        Args:
            item_id: regular or lasting.
            folder: well-known name of where it must lie, None for anywhere.
        """
        if item_id not in self._ids and not identifiers.is_item(item_id):
            malformed_id()
        found = self.items.get(self._ids.get(item_id, -1))
        if found is None or (folder is not None and found.folder != folder):
            not_found()
        return found

    def id_of(self, item: Item, lasting: bool) -> str:
        """The id of a message, in the form that the client asked for."""
        if item.number in self._named:
            return self._named[item.number]
        if lasting:
            return identifiers.lasting(self.key, item.number)
        return identifiers.regular(self.key, item.number, item.moves)

    def stand_in(self, item_id: str) -> None:
        """Have a draft of this id where there is no message of it, for rehearsals that need one."""
        if item_id in self._ids:
            return
        item = self.add({"subject": "A message", "toRecipients": [self.as_recipient]}, "drafts")
        self._named[item.number] = item_id
        self._ids[item_id] = item.number

    def folder(self, folder_id: str) -> str:
        """The well-known name of a folder, given that or its id."""
        if folder_id.lower() in FOLDERS:
            return folder_id.lower()
        if not identifiers.is_folder(folder_id):
            malformed_id()
        found = self._folders.get(folder_id)
        if found is None:
            not_found()
        return found

    def folder_id(self, name: str) -> str:
        """The id of a folder."""
        return identifiers.folder(self.key, name)

    def within(self, folder: str | None) -> list[Item]:
        """The messages of a folder; None is every folder that a client can see."""
        wanted = FOLDERS if folder is None else (folder,)
        return [item for item in self.items.values() if item.folder in wanted]

    def add(self, content: Mapping[str, Any], folder: str) -> Item:
        """Put in a message.

        Args:
            content: what differs from an empty draft.
            folder: well-known name.
        """
        self._last += 1
        number, now = self._last, self.time()
        thread = content.get("conversationId") or self._threads.get(content.get("inReplyTo", ""))
        conversation = thread or identifiers.conversation(self.key, number)
        own = {
            "createdDateTime": now,
            "lastModifiedDateTime": now,
            "receivedDateTime": now,
            "sentDateTime": now,
            "internetMessageId": f"<{identifiers.guid('message', self.key, number)}@{_domain(self.address)}>",
            "conversationId": conversation,
            "conversationIndex": identifiers.conversation_index(conversation, self._lengths[conversation]),
            "from": self.as_recipient,
            "sender": self.as_recipient,
        }
        full = {**_DEFAULTS, **own, **{k: v for k, v in content.items() if v is not None}}
        full["hasAttachments"] = any(not one["isInline"] for one in full["attachments"])
        self._threads[full["internetMessageId"]] = conversation
        self._lengths[conversation] += 1
        return self._put(Item(number=number, folder=folder, content=full))

    def patch(self, item: Item, changes: Mapping[str, Any]) -> Item:
        """Change properties of a message; some can be changed in drafts alone."""
        frozen = [name for name in _ON_DRAFTS_ONLY if name in changes and not item.content["isDraft"]]
        if frozen:
            why = f"The property '{frozen[0]}' can be set only while the message is a draft."
            refuse(400, "ErrorInvalidPropertySet", why)
        given: dict[str, Any] = {
            name: _DEFAULTS.get(name) if value is None else value for name, value in changes.items()
        }
        if "singleValueExtendedProperties" in given:
            kept = {one["id"]: one for one in item.content["singleValueExtendedProperties"]}
            kept |= {one["id"]: one for one in given["singleValueExtendedProperties"]}
            given["singleValueExtendedProperties"] = list(kept.values())
        if "body" in given:
            given["body"] = {**_DEFAULTS["body"], **{k: v for k, v in given["body"].items() if v is not None}}
        return self._touch(item, content={**item.content, **given})

    def move(self, item: Item, folder: str) -> Item:
        """Put a message into another folder; its regular id changes."""
        if item.number not in self._named:
            del self._ids[self.id_of(item, False)]
        return self._touch(item, folder=folder, moves=item.moves + 1)

    def copy(self, item: Item, folder: str) -> Item:
        """Put a second message like this one into a folder."""
        self._last += 1
        return self._put(Item(number=self._last, folder=folder, content=item.content))

    def remove(self, item: Item) -> None:
        """Delete as the vendor's DELETE does: to the deleted items, and from there out of sight."""
        self.move(item, HIDDEN if item.folder == "deleteditems" else "deleteditems")

    def purge(self, item: Item) -> None:
        """Delete for good, as far as the mailbox's owner can see."""
        self.move(item, HIDDEN)

    def _touch(self, item: Item, **fields: Any) -> Item:
        changed = replace(item, **fields)
        content = {**changed.content, "lastModifiedDateTime": self.time()}
        return self._put(replace(changed, content=content))

    def _put(self, item: Item) -> Item:
        self._change += 1
        item = replace(item, change=self._change)
        self.items[item.number] = item
        if item.folder != HIDDEN:
            self._ids[self.id_of(item, False)] = item.number
            self._ids[self.id_of(item, True)] = item.number
        else:
            self._ids.pop(self.id_of(item, True), None)
        return item


class Store:
    """Every mailbox of the simulated tenant.

    Args:
        now: seconds since the epoch.
        seed: of the ids.

    Attributes:
        sent: every mail that left a mailbox, in order.
    """

    def __init__(self, now: Callable[[], float], seed: int) -> None:
        self.sent: list[Sent] = []
        self.seed = seed
        self.now = now
        self._mailboxes: dict[str, Mailbox] = {}

    def clear(self) -> None:
        """Take away every mailbox and what was sent."""
        self.sent.clear()
        self._mailboxes.clear()

    def open(self, address: str, name: str) -> Mailbox:
        """Add a mailbox, or return the one of that address."""
        key = address.lower()
        if key not in self._mailboxes:
            self._mailboxes[key] = Mailbox(key, name, self.now, self.seed)
        return self._mailboxes[key]

    def mailboxes(self) -> Iterable[Mailbox]:
        """Every mailbox, in the order in which they were added."""
        return self._mailboxes.values()

    def find(self, who: str) -> Mailbox | None:
        """Find a mailbox by its address or its user's id."""
        found = self._mailboxes.get(who.lower())
        return found or next((one for one in self._mailboxes.values() if one.user_id == who), None)

    def send(self, mailbox: Mailbox, draft: Item, keep: bool = True) -> Item:
        """Send a draft: into the sender's sent items and the inboxes that are here.

        Args:
            mailbox: of the sender.
            draft: to send.
            keep: a copy in the sent items.
        """
        addresses = check(mailbox, draft.content)
        sent = mailbox.patch(draft, {"isRead": True})
        now = mailbox.time()
        content = {**sent.content, "isDraft": False, "sentDateTime": now, "receivedDateTime": now}
        sent = mailbox.move(replace(sent, content=content), "sentitems")
        properties = tuple(one["value"] for one in content["singleValueExtendedProperties"])
        self.sent.append(
            Sent(
                mailbox=mailbox.address,
                recipients=tuple(addresses),
                subject=content["subject"],
                internet_message_id=content["internetMessageId"],
                properties=properties,
            )
        )
        for address in addresses:
            found = self._mailboxes.get(address.lower())
            if found is not None:
                self._arrive(found, content)
        if not keep:
            mailbox.purge(sent)
        return sent

    def deliver(self, mailbox: str, subject: str, body: str, sender: str) -> Item:
        """Let a mail arrive from outside; a mailbox that is not there yet is opened.

        Args:
            mailbox: address that it goes to.
            subject: of the mail.
            body: plain text.
            sender: address that it comes from.
        """
        box = self.open(mailbox, mailbox.partition("@")[0])
        origin = {"emailAddress": {"name": sender.partition("@")[0], "address": sender}}
        content = {
            **_DEFAULTS,
            "subject": subject,
            "body": {"contentType": "text", "content": body},
            "from": origin,
            "sender": origin,
            "toRecipients": [box.as_recipient],
            "internetMessageId": f"<{identifiers.guid('in', box.key, len(box.items))}@{_domain(sender)}>",
            "sentDateTime": box.time(),
        }
        return self._arrive(box, content)

    def _arrive(self, box: Mailbox, content: Mapping[str, Any]) -> Item:
        """Put what was sent into an inbox: blind copies and the sender's own properties stay behind."""
        arrived = dict(content)
        for name in (*_OF_THE_PLACE, "conversationId", "conversationIndex"):
            arrived.pop(name, None)
        arrived |= {
            "isDraft": False,
            "isRead": False,
            "bccRecipients": [],
            "categories": [],
            "flag": {"flagStatus": "notFlagged"},
            "singleValueExtendedProperties": [],
        }
        return box.add(arrived, "inbox")


def check(mailbox: Mailbox, content: Mapping[str, Any]) -> list[str]:
    """Return everybody a message goes to, once each; refuse it where it cannot be sent.

    Args:
        mailbox: that it is sent from.
        content: of the message.
    """
    for name in ("from", "sender"):
        given = (content.get(name) or mailbox.as_recipient)["emailAddress"].get("address") or mailbox.address
        if given.lower() != mailbox.address:
            why = (
                "The user account which was used to submit this request does not have the right to send mail"
                " on behalf of the specified sending account., Cannot submit message."
            )
            refuse(403, "ErrorSendAsDenied", why)
    found: dict[str, str] = {}
    for name in ("toRecipients", "ccRecipients", "bccRecipients"):
        for one in content.get(name) or ():
            address = one["emailAddress"].get("address") or ""
            head, at, domain = address.rpartition("@")
            if not (head and at and "." in domain) or any(sign.isspace() for sign in address):
                why = "All recipients must be resolved before a message can be submitted."
                no_recipients(f"Recipient '{address}' is not resolved. {why}")
            found.setdefault(address.lower(), address)
    if not found:
        no_recipients()
    return list(found.values())


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"
