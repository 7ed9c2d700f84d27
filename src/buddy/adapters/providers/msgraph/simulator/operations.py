"""What each address of the mail interface does, once the token, the mailbox and the body are known."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Struct

from buddy.adapters.providers.msgraph.simulator import bodies, identifiers, listing, rendering, replies, store
from buddy.adapters.providers.msgraph.simulator.failures import bad_body, bad_query, denied, refuse
from buddy.adapters.providers.msgraph.simulator.rendering import View
from buddy.adapters.providers.msgraph.simulator.store import Item, Mailbox, Store
from buddy.adapters.providers.msgraph.simulator.tokens import Claims

READ = ("Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite")
FULL_READ = ("Mail.Read", "Mail.ReadWrite")
WRITE = ("Mail.ReadWrite",)
SEND = ("Mail.Send",)


class Asked(Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        store: of the tenant.
        mailbox: that the address names.
        claims: of the token.
        path: what the address leaves open: `item`, `folder`, `action`.
        options: of the query, in order.
        raw: the body.
        prefer, if_match: the headers of these names.
        url: without the query.
    """

    store: Store
    mailbox: Mailbox
    claims: Claims
    path: Mapping[str, str]
    options: tuple[tuple[str, str], ...]
    raw: bytes
    prefer: str
    if_match: str
    url: str

    @property
    def folder(self) -> str | None:
        """The folder that the address names, None where it names none."""
        return self.mailbox.folder(self.path["folder"]) if "folder" in self.path else None

    @property
    def item(self) -> Item:
        """The message that the address names."""
        return self.mailbox.item(self.path["item"], self.folder)

    @property
    def how(self) -> View:
        """How messages are to be shown."""
        given = dict(self.options)
        return rendering.view(self.prefer, given.get("$select"), given.get("$expand"))

    def need(self, *permissions: str) -> None:
        """Refuse a token that carries none of these permissions."""
        if not self.claims.permissions & set(permissions):
            denied()

    def entity(self, item: Item) -> dict[str, Any]:
        """Write one message as the answer."""
        base, user = self.url.partition("/v1.0/")[0], self.mailbox.user_id
        context = f"{base}/v1.0/$metadata#users('{user}')/messages/$entity"
        return rendering.message(self.mailbox, item, self.how, context)


class Answer(Struct, frozen=True):
    """What a request is answered with.

    Attributes:
        status: of HTTP.
        body: JSON, or a text; UNSET for none.
    """

    status: int
    body: Any = UNSET


class Operation(Struct, frozen=True, kw_only=True):
    """One method at one address.

    Attributes:
        method: of HTTP.
        path: below the mailbox.
        permissions: one of which the token must carry.
        run: does it.
    """

    method: str
    path: str
    permissions: tuple[str, ...]
    run: Callable[[Asked], Answer]


def who(asked: Asked) -> Answer:
    """Tell who the mailbox belongs to."""
    base = asked.url.partition("/v1.0/")[0]
    context = {"@odata.context": f"{base}/v1.0/$metadata#users/$entity"}
    return Answer(200, context | rendering.user(asked.mailbox))


def messages(asked: Asked) -> Answer:
    """List messages."""
    query = listing.read(dict(asked.options), asked.prefer)
    items = asked.mailbox.within(asked.folder)
    return Answer(200, listing.page(asked.mailbox, items, query, asked.url, asked.options))


def count(asked: Asked) -> Answer:
    """Count messages."""
    query = listing.read(dict(asked.options), asked.prefer)
    return Answer(200, str(len(listing.chosen(asked.mailbox.within(asked.folder), query))))


def create(asked: Asked) -> Answer:
    """Create a draft."""
    content = bodies.message(bodies.parse(asked.raw))
    return Answer(201, asked.entity(asked.mailbox.add(content, asked.folder or "drafts")))


def get(asked: Asked) -> Answer:
    """Return one message."""
    return Answer(200, asked.entity(asked.item))


def update(asked: Asked) -> Answer:
    """Change properties of a message."""
    changes = bodies.message(bodies.parse(asked.raw))
    item = asked.item
    _check_version(asked, item)
    if "internetMessageHeaders" in changes:
        bad_body("The property 'internetMessageHeaders' can be set only when the message is created.")
    return Answer(200, asked.entity(asked.mailbox.patch(item, changes)))


def delete(asked: Asked) -> Answer:
    """Delete a message."""
    item = asked.item
    _check_version(asked, item)
    asked.mailbox.remove(item)
    return Answer(204)


def attachments(asked: Asked) -> Answer:
    """List the attachments of a message."""
    base, user = asked.url.partition("/v1.0/")[0], asked.mailbox.user_id
    context = f"{base}/v1.0/$metadata#users('{user}')/messages('{asked.path['item']}')/attachments"
    return Answer(200, {"@odata.context": context, "value": rendering.attachments(asked.mailbox, asked.item)})


def send_mail(asked: Asked) -> Answer:
    """Send a message that is in the request."""
    given = bodies.parameters(asked.raw, ("message", "saveToSentItems"))
    if "message" not in given:
        refuse(400, "BadRequest", "The parameter 'Message' is required.")
    content = bodies.message(given["message"])
    keep = bodies.flag(given.get("saveToSentItems"), "SaveToSentItems", True)
    store.check(asked.mailbox, content)
    asked.store.send(asked.mailbox, asked.mailbox.add(content, "drafts"), keep)
    return Answer(202)


def send(asked: Asked) -> Answer:
    """Send a draft; what is none (any more) is not found, as the vendor has it."""
    item = asked.item
    if not item.content["isDraft"]:
        refuse(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    asked.store.send(asked.mailbox, item)
    return Answer(202)


def move(asked: Asked) -> Answer:
    """Put a message into another folder."""
    item, folder = asked.item, _destination(asked)
    return Answer(201, asked.entity(asked.mailbox.move(item, folder)))


def copy(asked: Asked) -> Answer:
    """Put a copy of a message into a folder."""
    item, folder = asked.item, _destination(asked)
    return Answer(201, asked.entity(asked.mailbox.copy(item, folder)))


def purge(asked: Asked) -> Answer:
    """Delete a message for good."""
    asked.mailbox.purge(asked.item)
    return Answer(204)


def answered(kind: str, *, sent: bool) -> Callable[[Asked], Answer]:
    """Return the operation that answers a message: sent at once, or as a draft.

    Args:
        kind: `reply`, `replyAll` or `forward`.
        sent: at once.
    """

    def run(asked: Asked) -> Answer:
        original = asked.item
        given = bodies.parameters(asked.raw, ("comment", "message", "toRecipients"))
        own = bodies.message(given["message"]) if given.get("message") is not None else {}
        if "toRecipients" in given and kind != "reply":
            own["toRecipients"] = bodies.recipients(given["toRecipients"])
        content = replies.draft(
            asked.mailbox, original, kind, bodies.text(given.get("comment"), "Comment"), own
        )
        if sent:
            store.check(asked.mailbox, content)
        item = asked.mailbox.add(content, "drafts")
        if not sent:
            return Answer(201, asked.entity(item))
        asked.store.send(asked.mailbox, item)
        return Answer(202)

    return run


def folders(asked: Asked) -> Answer:
    """List the folders of a mailbox."""
    found = [rendering.folder(asked.mailbox, name) for name in store.FOLDERS]
    given = dict(asked.options)
    for name in given:
        if name.startswith("$") and name not in ("$top", "$skip", "$select", "$count"):
            bad_query(f"The query parameter '{name}' is not supported.")
    query = listing.read({name: given[name] for name in ("$top", "$skip") if name in given}, asked.prefer)
    base, user = asked.url.partition("/v1.0/")[0], asked.mailbox.user_id
    context = f"{base}/v1.0/$metadata#users('{user}')/mailFolders"
    size = query.size if "$top" in given else len(found)
    return Answer(200, {"@odata.context": context, "value": found[query.skip : query.skip + size]})


def folder(asked: Asked) -> Answer:
    """Return one folder."""
    base, user = asked.url.partition("/v1.0/")[0], asked.mailbox.user_id
    context = f"{base}/v1.0/$metadata#users('{user}')/mailFolders/$entity"
    name = asked.mailbox.folder(asked.path["folder"])
    return Answer(200, {"@odata.context": context} | rendering.folder(asked.mailbox, name))


def _destination(asked: Asked) -> str:
    given = bodies.parameters(asked.raw, ("destinationId",))
    wanted = bodies.text(given.get("destinationId"), "DestinationId")
    if not wanted:
        refuse(400, "BadRequest", "The parameter 'DestinationId' is required.")
    return asked.mailbox.folder(wanted)


def _check_version(asked: Asked, item: Item) -> None:
    """Hold a request to the version that it was made for, where it names one."""
    now = identifiers.change_key(asked.mailbox.key, item.change)
    if asked.if_match not in ("", "*", f'W/"{now}"', f'"{now}"'):
        why = (
            "The send or update operation could not be performed because the change key passed in the request"
            " does not match the current change key for the item."
        )
        refuse(412, "ErrorIrresolvableConflict", why)


def _under(prefix: str) -> tuple[Operation, ...]:
    """The operations on messages, of the whole mailbox or of one folder."""

    def at(method: str, path: str, permissions: tuple[str, ...], run: Callable[[Asked], Answer]) -> Operation:
        return Operation(method=method, path=f"{prefix}messages{path}", permissions=permissions, run=run)

    one = "/{item}"
    return (
        at("GET", "", READ, messages),
        at("POST", "", WRITE, create),
        at("GET", "/$count", READ, count),
        at("GET", one, READ, get),
        at("PATCH", one, WRITE, update),
        at("DELETE", one, WRITE, delete),
        at("GET", f"{one}/attachments", FULL_READ, attachments),
        at("POST", f"{one}/send", SEND, send),
        at("POST", f"{one}/reply", SEND, answered("reply", sent=True)),
        at("POST", f"{one}/replyAll", SEND, answered("replyAll", sent=True)),
        at("POST", f"{one}/forward", SEND, answered("forward", sent=True)),
        at("POST", f"{one}/createReply", WRITE, answered("reply", sent=False)),
        at("POST", f"{one}/createReplyAll", WRITE, answered("replyAll", sent=False)),
        at("POST", f"{one}/createForward", WRITE, answered("forward", sent=False)),
        at("POST", f"{one}/move", WRITE, move),
        at("POST", f"{one}/copy", WRITE, copy),
        at("POST", f"{one}/permanentDelete", WRITE, purge),
    )


OPERATIONS = (
    Operation(method="GET", path="", permissions=("User.Read", *READ), run=who),
    Operation(method="POST", path="sendMail", permissions=SEND, run=send_mail),
    Operation(method="GET", path="mailFolders", permissions=READ, run=folders),
    Operation(method="GET", path="mailFolders/{folder}", permissions=READ, run=folder),
    *_under(""),
    *_under("mailFolders/{folder}/"),
)
"""The mail interface: everything that the simulator answers below `/me` and `/users/{user}`."""
