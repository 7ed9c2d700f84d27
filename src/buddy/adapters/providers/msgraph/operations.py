"""What the mail tools do, given a client that is bound to the mode of the call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import msgspec

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import CapturedRequest, NotFound
from buddy.adapters.providers.base.tools import PLACEHOLDER, Asked, Operation
from buddy.adapters.providers.msgraph import account, wire
from buddy.adapters.providers.msgraph.client import GraphClient, Message
from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from buddy.errors import BuddyError, ChangedSince
from buddy.model.mode import Mode
from buddy.model.outcome import Change, Restored

_EPOCH = 1_767_225_600.0
"""The time in MOCK, so that the same call gives the same result."""

LOOKS = 6
PAUSE_S = 0.5
"""How often, and after how many seconds each, a probe looks whether a draft has left after all."""


@asynccontextmanager
async def connect(asked: Asked, access: Access) -> AsyncIterator[GraphClient]:
    """Open a client bound to the mode of a call.

    In MOCK it is a fresh simulator, in which the message that the call is about exists.
    """
    if asked.mode is not Mode.MOCK:
        async with account.client(asked.mode, access) as client:
            yield client
        return
    seed = int.from_bytes(sha256(asked.key.encode()).digest()[:6])
    simulator = GraphSimulator(seed=seed, now=lambda: _EPOCH)
    if "message_id" in asked.args:
        simulator.stand_in(str(asked.args["message_id"]))
    async with account.simulated(simulator) as client:
        yield client


def mark(asked: Asked) -> str:
    """Return what tells the mail of a call from others: its key and its arguments.

    A person may edit the arguments between two attempts of a call; what the first left is another mail then.
    """
    args = msgspec.json.encode(dict(asked.args), order="sorted")
    return f"{asked.key}-{sha256(args).hexdigest()[:12]}"


async def _test(client: GraphClient, asked: Asked) -> Any:
    return await client.test_connection()


async def _list(client: GraphClient, asked: Asked) -> Any:
    return {"messages": await client.get_messages(**asked.args)}


async def _search(client: GraphClient, asked: Asked) -> Any:
    return {"messages": await client.search_messages(**asked.args)}


async def _get(client: GraphClient, asked: Asked) -> Any:
    return await client.get_message(**asked.args)


async def _draft(client: GraphClient, asked: Asked) -> Any:
    made = await client.create_draft(**asked.args, key=mark(asked))
    names = ("id", "changeKey", "subject", "toRecipients", "internetMessageId", "conversationId", "isDraft")
    return {name: made.get(name) for name in names}


async def _draft_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    after = _mail(asked.args)
    change = Change(resource="mailbox:drafts", after=after)
    return [change], {"id": PLACEHOLDER + asked.key, **_listed(asked.args), "isDraft": True}


async def _draft_undone(client: GraphClient, asked: Asked, result: Any) -> Restored:
    found = await client.find_by_key(mark(asked))
    if found is None:
        return Restored(verified=True)
    if not found["isDraft"]:
        raise ChangedSince(f"the draft {found['subject']!r} was sent")
    if isinstance(result, Mapping) and found["changeKey"] != result["changeKey"]:
        raise ChangedSince(f"the draft {found['subject']!r} was changed by somebody else")
    await client.purge_message(found["id"])
    return Restored(verified=await client.find_by_key(mark(asked)) is None)


async def _made(client: GraphClient, asked: Asked) -> bool | None:
    return await client.find_by_key(mark(asked)) is not None


async def _send_draft(client: GraphClient, asked: Asked) -> Any:
    if _is_to_come(asked):
        await client.order_to_send(asked.args["message_id"])
    return await client.send_draft(asked.args["message_id"])


async def _send_draft_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    if _is_to_come(asked):
        to_come = {"id": asked.args["message_id"], "isDraft": False}
        return [Change(resource=f"message:{to_come['id']}", after={"isDraft": False})], to_come
    draft = await client.get_message(asked.args["message_id"])
    after = {
        **_shown(draft),
        "cc": wire.addresses(draft["ccRecipients"]),
        "bcc": wire.addresses(draft["bccRecipients"]),
    }
    return [Change(resource=f"message:{draft['id']}", before=None, after=after)], _sent(draft)


async def _send_draft_probe(client: GraphClient, asked: Asked) -> bool | None:
    return await _gone(lambda: client.get_message(asked.args["message_id"]))


async def _send(client: GraphClient, asked: Asked) -> Any:
    return await client.send_email(**asked.args, key=mark(asked))


async def _send_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    change = Change(resource="mail:sent", after=_mail(asked.args))
    return [change], {"id": PLACEHOLDER + asked.key, **_listed(asked.args), "isDraft": False}


async def _send_probe(client: GraphClient, asked: Asked) -> bool | None:
    return await _gone(lambda: client.find_by_key(mark(asked)))


def _as_if_drafted(asked: Asked, stopped: CapturedRequest) -> Any:
    """Return a draft that does not exist, so that the order to send it is seen too."""
    return {"id": PLACEHOLDER + asked.key, "isDraft": True}


async def _reply(client: GraphClient, asked: Asked) -> Any:
    return await client.reply_to_message(**asked.args, key=mark(asked))


async def _reply_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    original = await client.get_message(asked.args["message_id"])
    everybody = bool(asked.args.get("everybody", False))
    after = {"answers": _shown(original), "body": asked.args["body"], "everybody": everybody}
    return [Change(resource="mail:sent", after=after)], {"id": PLACEHOLDER + asked.key, "isDraft": False}


async def _mark(client: GraphClient, asked: Asked) -> Any:
    return await client.read_message(**asked.args)


async def _mark_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    found = await client.get_message(asked.args["message_id"])
    read = asked.args.get("read", True)
    change = Change(
        resource=f"message:{found['id']}", before={"isRead": found["isRead"]}, after={"isRead": read}
    )
    result = {"id": found["id"], "subject": found["subject"], "isRead": read, "previous": found["isRead"]}
    return [change], result


async def _mark_undone(client: GraphClient, asked: Asked, result: Any) -> Restored:
    before, wanted = _known(result)["previous"], asked.args.get("read", True)
    found = await client.get_message(asked.args["message_id"])
    if found["isRead"] is not wanted:
        raise ChangedSince(f"the message {found['subject']!r} was marked by somebody else")
    await client.read_message(found["id"], before)
    return Restored(verified=(await client.get_message(found["id"]))["isRead"] is before)


async def _marked(client: GraphClient, asked: Asked) -> bool | None:
    found = await client.get_message(asked.args["message_id"])
    return bool(found["isRead"] is asked.args.get("read", True))


async def _delete(client: GraphClient, asked: Asked) -> Any:
    return await client.delete_message(asked.args["message_id"])


async def _delete_described(
    client: GraphClient, asked: Asked, stopped: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    found = await client.get_message(asked.args["message_id"])
    change = Change(resource=f"message:{found['id']}", before=_shown(found), after={"folder": wire.BIN})
    result = {"id": found["id"], "subject": found["subject"], "previousFolderId": found["parentFolderId"]}
    return [change], {**result, "moved": True}


async def _delete_undone(client: GraphClient, asked: Asked, result: Any) -> Restored:
    known = _known(result)
    if not known["moved"]:
        return Restored(verified=True)
    found = await client.get_message(known["id"])
    if found["parentFolderId"] != await client.folder_id(wire.BIN):
        raise ChangedSince(f"the message {found['subject']!r} was moved by somebody else")
    await client.move_message(known["id"], known["previousFolderId"])
    back = await client.get_message(known["id"])
    return Restored(verified=back["parentFolderId"] == known["previousFolderId"])


async def _deleted(client: GraphClient, asked: Asked) -> bool | None:
    try:
        found = await client.get_message(asked.args["message_id"])
    except NotFound:
        return None
    return bool(found["parentFolderId"] == await client.folder_id(wire.BIN))


async def _gone(look: Callable[[], Awaitable[Message | None]]) -> bool | None:
    """Whether a draft was sent: True once it is none, False where it stays one, None where nothing is."""
    for place in range(LOOKS):
        if place:
            await asyncio.sleep(PAUSE_S)
        try:
            found = await look()
        except NotFound:
            return None
        if found is None:
            return None
        if not found["isDraft"]:
            return True
    return False


def _is_to_come(asked: Asked) -> bool:
    """Whether the draft does not exist yet: an earlier step of the same rehearsal would make it."""
    return asked.mode is Mode.DRY_RUN and str(asked.args["message_id"]).startswith(PLACEHOLDER)


def _mail(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: args[name] for name in ("to", "cc", "bcc", "subject", "body") if args.get(name)}


def _listed(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the vendor will show of a mail that does not exist yet."""
    return {"subject": args["subject"], "toRecipients": wire.people(args["to"])}


def _shown(message: Message) -> dict[str, Any]:
    sender = message.get("from") or {"emailAddress": {}}
    return {
        "subject": message["subject"],
        "from": sender["emailAddress"].get("address"),
        "to": wire.addresses(message["toRecipients"]),
        "body": message["body"]["content"],
    }


def _sent(draft: Message) -> dict[str, Any]:
    return {
        "id": draft["id"],
        "subject": draft["subject"],
        "toRecipients": draft["toRecipients"],
        "isDraft": False,
    }


def _known(result: Any) -> Mapping[str, Any]:
    """Return what the call returned.

    Raises:
        BuddyError: nobody knows it, as the call's end was not seen.
    """
    if not isinstance(result, Mapping):
        raise BuddyError("what was there before is not known, as nobody saw the end of the call")
    return result


OPERATIONS: Mapping[str, Operation] = {
    "msgraph.test_connection": Operation(act=_test),
    "msgraph.list": Operation(act=_list),
    "msgraph.search": Operation(act=_search),
    "msgraph.get": Operation(act=_get),
    "msgraph.draft": Operation(act=_draft, describe=_draft_described, undo=_draft_undone, probe=_made),
    "msgraph.send_draft": Operation(act=_send_draft, describe=_send_draft_described, probe=_send_draft_probe),
    "msgraph.send": Operation(
        act=_send, describe=_send_described, stand_in=_as_if_drafted, probe=_send_probe
    ),
    "msgraph.reply": Operation(
        act=_reply, describe=_reply_described, stand_in=_as_if_drafted, probe=_send_probe
    ),
    "msgraph.mark_read": Operation(act=_mark, describe=_mark_described, undo=_mark_undone, probe=_marked),
    "msgraph.delete": Operation(act=_delete, describe=_delete_described, undo=_delete_undone, probe=_deleted),
}
"""Tool -> what it does."""
