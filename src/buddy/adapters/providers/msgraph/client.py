"""Microsoft Graph mail: one mailbox, read and written through the guard that its interface was opened with.

Sending is two requests: a draft that carries the key of the call, then the order to send it. A call that is
made again finds its own draft or its own sent mail by the key, so that one key never sends two mails.
"""

import functools
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from buddy.adapters.providers.base.api import Api, pages
from buddy.adapters.providers.base.errors import Conflict, NotFound, ProviderUnavailable, Uncertain
from buddy.adapters.providers.base.sync import Sync
from buddy.adapters.providers.msgraph import wire
from buddy.adapters.providers.msgraph.once import seen

P = ParamSpec("P")
T = TypeVar("T")
Message = dict[str, Any]
"""A message in the vendor's form."""

PAGE = 50
MOST = 500
"""Messages that one list gives at most."""


def _in_session(
    method: "Callable[Concatenate[GraphClient, P], Awaitable[T]]",
) -> "Callable[Concatenate[GraphClient, P], Coroutine[Any, Any, T]]":
    """Let a method of a client that nobody entered open the interface for this one call."""

    @functools.wraps(method)
    async def call(self: "GraphClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.is_open:
            return await method(self, *args, **kwargs)
        async with self.again() as one:
            return await method(one, *args, **kwargs)

    return call


class GraphClient:
    """One mailbox; an async context manager, each method also works alone.

    Args:
        connect: opens the interface, under the guard of the mode.
        mailbox: address, empty for the signed-in person's own.
    """

    def __init__(self, connect: Callable[[], Api], mailbox: str = "") -> None:
        self._connect = connect
        self._mailbox = mailbox
        self._at = wire.owner(mailbox)
        self._opened: Api | None = None

    async def __aenter__(self) -> "GraphClient":
        self._opened = await self._connect().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        api, self._opened = self._api, None
        await api.__aexit__(kind, problem, at)

    @property
    def is_open(self) -> bool:
        """Whether the interface is open."""
        return self._opened is not None

    @property
    def sync(self) -> Any:
        """The same client with methods that block."""
        return Sync(self)

    def again(self) -> "GraphClient":
        """Return another client of the same mailbox that nobody entered."""
        return GraphClient(self._connect, self._mailbox)

    @property
    def _api(self) -> Api:
        assert self._opened is not None, "the client was entered"
        return self._opened

    @_in_session
    async def test_connection(self) -> dict[str, Any]:
        """Read the inbox's counts.

        Raises:
            AuthError: the credentials are missing or refused.
        """
        inbox = await self._get("/mailFolders/inbox")
        counts = {"messages": inbox["totalItemCount"], "unread": inbox["unreadItemCount"]}
        return {"ok": True, "mailbox": self._mailbox or "me", **counts}

    @_in_session
    async def get_messages(
        self, folder: str = "inbox", limit: int = 20, unread_only: bool = False
    ) -> list[Message]:
        """List messages, newest first.

        Args:
            folder: id or well-known name.
            limit: messages at most, up to 500.
            unread_only: leave out what was read.
        """
        query = {"$filter": "isRead eq false" if unread_only else None}
        return await self._list(f"/mailFolders/{wire.segment(folder)}/messages", limit, query)

    @_in_session
    async def search_messages(self, query: str, limit: int = 25) -> list[Message]:
        """Search all folders.

        Args:
            query: words, phrases in quotes, `from:ada`, `subject:invoice`, with AND, OR, NOT.
            limit: messages at most, up to 500.
        """
        return await self._list("/messages", limit, {"$search": wire.quoted(query)})

    @_in_session
    async def get_message(self, message_id: str) -> Message:
        """Return one message with its body as plain text.

        Raises:
            NotFound: it is not in the mailbox.
        """
        select = ",".join((*wire.SHOWN, "body", "ccRecipients", "bccRecipients"))
        return await self._message(message_id, select)

    @_in_session
    async def find_by_key(self, key: str) -> Message | None:
        """Return what the call with this key made, the sent mail rather than a draft; None for nothing."""
        query = {"$filter": wire.marked_filter(key), "$select": ",".join(wire.SHOWN), "$top": 10}
        found = (await self._get("/messages", query))["value"]
        return min(found, key=lambda one: bool(one["isDraft"]), default=None)

    @_in_session
    async def create_draft(
        self,
        to: Iterable[str],
        subject: str,
        body: str,
        *,
        cc: Iterable[str] = (),
        bcc: Iterable[str] = (),
        html: bool = False,
        key: str | None = None,
    ) -> Message:
        """Put a draft into the mailbox; the same key again returns the same draft.

        Args:
            to: addresses.
            subject: one line.
            body: what it says.
            cc: addresses of copies.
            bcc: addresses of copies that the others do not see.
            html: the body is HTML and not plain text.
            key: of the call, by which it is found again.

        Raises:
            Uncertain: nobody knows whether the draft is there.
        """
        key = key or uuid.uuid4().hex
        found = await self.find_by_key(key)
        return found or await self._draft(wire.draft(to, subject, body, cc, bcc, html), key)

    @_in_session
    async def send_draft(self, message_id: str) -> Message:
        """Send a draft that is in the mailbox.

        Raises:
            Conflict: the message is no draft (any more).
            Uncertain: nobody knows whether it was sent.
        """
        found = await self._message(message_id, ",".join(wire.SHOWN))
        if not found["isDraft"]:
            raise Conflict(f"the message {message_id} is no draft (any more)")
        await self.order_to_send(found["id"])
        return _as_sent(found)

    @_in_session
    async def order_to_send(self, message_id: str) -> None:
        """Order the vendor to send a draft, without a look at it before.

        Raises:
            NotFound: there is no draft of this id.
            Uncertain: nobody knows whether it was sent.
        """
        await self._post(f"/messages/{wire.segment(message_id)}/send", None)

    @_in_session
    async def send_email(
        self,
        to: Iterable[str],
        subject: str,
        body: str,
        *,
        cc: Iterable[str] = (),
        bcc: Iterable[str] = (),
        html: bool = False,
        key: str | None = None,
    ) -> Message:
        """Send a mail; the same key never sends a second one.

        Args:
            to: addresses.
            subject: one line.
            body: what it says.
            cc: addresses of copies.
            bcc: addresses of copies that the others do not see.
            html: the body is HTML and not plain text.
            key: of the call, by which it is found again.

        Raises:
            Uncertain: nobody knows whether it was sent.
        """
        message = wire.draft(to, subject, body, cc, bcc, html)
        return await self._send_once(key or uuid.uuid4().hex, lambda key: self._draft(message, key))

    @_in_session
    async def reply_to_message(
        self, message_id: str, body: str, *, everybody: bool = False, key: str | None = None
    ) -> Message:
        """Answer a message; the same key never sends a second answer.

        Args:
            message_id: of what is answered.
            body: plain text, above the quoted original.
            everybody: to all who got it, and not to its sender alone.
            key: of the call, by which it is found again.

        Raises:
            Uncertain: nobody knows whether it was sent.
        """
        action = "createReplyAll" if everybody else "createReply"

        async def prepare(key: str) -> Message:
            path = f"/messages/{wire.segment(message_id)}/{action}"
            draft = await self._post(path, {"comment": body})
            return await self._patch(draft["id"], wire.marked(key))

        return await self._send_once(key or uuid.uuid4().hex, prepare)

    @_in_session
    async def read_message(self, message_id: str, read: bool = True) -> dict[str, Any]:
        """Mark a message as read or unread; returns what it was before, too.

        Raises:
            NotFound: it is not in the mailbox.
            Uncertain: nobody knows whether it was marked.
        """
        before = await self._message(message_id, "id,subject,isRead")
        found = {
            "id": before["id"],
            "subject": before["subject"],
            "isRead": read,
            "previous": before["isRead"],
        }
        if before["isRead"] is read:
            return found
        try:
            await self._patch(before["id"], {"isRead": read})
        except Uncertain as doubt:
            if (await seen(doubt, self._message(message_id, "id,isRead")))["isRead"] is not read:
                raise
        return found

    @_in_session
    async def delete_message(self, message_id: str) -> dict[str, Any]:
        """Move a message to the deleted items; returns the folder that it lay in.

        Raises:
            NotFound: it is not in the mailbox.
            Uncertain: nobody knows whether it was moved.
        """
        before = await self._message(message_id, "id,subject,parentFolderId")
        folder = before["parentFolderId"]
        found = {"id": before["id"], "subject": before["subject"], "previousFolderId": folder}
        if folder == await self.folder_id(wire.BIN):
            return {**found, "moved": False}
        await self.move_message(before["id"], wire.BIN)
        return {**found, "moved": True}

    @_in_session
    async def move_message(self, message_id: str, folder: str) -> None:
        """Put a message into another folder.

        Args:
            message_id: immutable, so that it stays.
            folder: id or well-known name.

        Raises:
            Uncertain: nobody knows whether it was moved.
        """
        try:
            await self._post(f"/messages/{wire.segment(message_id)}/move", {"destinationId": folder})
        except Uncertain as doubt:
            wanted = await seen(doubt, self.folder_id(folder))
            found = await seen(doubt, self._message(message_id, "id,parentFolderId"))
            if found["parentFolderId"] != wanted:
                raise

    @_in_session
    async def purge_message(self, message_id: str) -> None:
        """Delete a message for good, as far as its owner can see."""
        await self._post(f"/messages/{wire.segment(message_id)}/permanentDelete", None)

    @_in_session
    async def folder_id(self, folder: str) -> str:
        """Return the id of a folder, given that or its well-known name."""
        return str((await self._get(f"/mailFolders/{wire.segment(folder)}"))["id"])

    async def _send_once(self, key: str, prepare: Callable[[str], Awaitable[Message]]) -> Message:
        """Send what a call makes, unless the call with this key has sent it already."""
        found = await self.find_by_key(key)
        if found is not None and not found["isDraft"]:
            return _as_sent(found)
        try:
            draft = found or await prepare(key)
        except Uncertain as doubt:  # a draft may lie there, but no mail was sent
            raise doubt.error from doubt
        try:
            await self.order_to_send(draft["id"])
        except NotFound as gone:
            found = await seen(Uncertain(gone), self.find_by_key(key))
            if found is None or found["isDraft"]:
                raise
        return _as_sent(draft)

    async def _draft(self, message: Message, key: str) -> Message:
        try:
            return await self._post("/messages", {**message, **wire.marked(key)})
        except Uncertain as doubt:
            found = await seen(doubt, self.find_by_key(key))
            if found is None:
                raise
            return found

    async def _list(self, path: str, limit: int, query: dict[str, Any]) -> list[Message]:
        most = min(limit, MOST)
        first = {**query, "$top": min(most, PAGE), "$select": ",".join(wire.SHOWN)}

        async def fetch(cursor: Any) -> tuple[list[Message], Any]:
            found = await (self._follow(cursor) if cursor else self._get(path, first))
            return found["value"], found.get("@odata.nextLink")

        return [_plain(one) async for one in pages(fetch, most=most)]

    async def _message(self, message_id: str, select: str) -> Message:
        return _plain(await self._get(f"/messages/{wire.segment(message_id)}", {"$select": select}))

    async def _get(self, path: str, query: dict[str, Any] | None = None) -> Message:
        return _entity(await self._api.request("GET", self._at + path, params=query))

    async def _follow(self, link: str) -> Message:
        """Read the next page; a link that leads elsewhere must not be given the token."""
        base = str(self._api.http.base_url)
        if not str(link).startswith(base):
            raise ProviderUnavailable(
                f"expected the next page below {base}, found a link that leads elsewhere"
            )
        return _entity(await self._api.request("GET", link))

    async def _post(self, path: str, body: Any) -> Message:
        return await self._api.request("POST", self._at + path, json=body) or {}

    async def _patch(self, message_id: str, body: Any) -> Message:
        return (
            await self._api.request("PATCH", f"{self._at}/messages/{wire.segment(message_id)}", json=body)
            or {}
        )


def _entity(found: Any) -> Message:
    if not isinstance(found, dict):
        raise ProviderUnavailable("expected an object from Microsoft Graph, found something else")
    return found


def _plain(message: Message) -> Message:
    """Return a message without what belongs to the protocol."""
    return {name: value for name, value in message.items() if not name.startswith("@odata.")}


def _as_sent(draft: Message) -> Message:
    names = ("id", "subject", "internetMessageId", "conversationId", "toRecipients")
    return {**{name: draft.get(name) for name in names}, "isDraft": False}
