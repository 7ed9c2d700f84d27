"""Every mail tool on every rung, against a simulator on a port; MOCK with nothing configured."""

import asyncio
import re
from typing import Any

import pytest

from buddy.adapters.providers.base.errors import AuthError, Captured, Conflict, NotFound, ProviderUnavailable
from buddy.adapters.providers.base.tools import PLACEHOLDER, OfferedTool
from buddy.adapters.providers.msgraph.operations import OPERATIONS, mark
from buddy.core import schemas
from buddy.core.catalogue import validate
from buddy.errors import BuddyError, ChangedSince
from buddy.model.mode import Mode, Undo
from buddy.model.outcome import Restored
from providers.msgraph.bench import COLLEAGUE, NOTHING, OFFERED, Served, asked, call, context

MAIL = {"to": [COLLEAGUE], "subject": "Hello", "body": "Are you in on Friday?"}
ARGS: dict[str, dict[str, Any]] = {
    "msgraph.test_connection": {},
    "msgraph.list": {},
    "msgraph.search": {"query": "dental"},
    "msgraph.get": {"message_id": "some id"},
    "msgraph.draft": MAIL,
    "msgraph.send_draft": {"message_id": "some id"},
    "msgraph.send": MAIL,
    "msgraph.reply": {"message_id": "some id", "body": "Yes."},
    "msgraph.mark_read": {"message_id": "some id"},
    "msgraph.delete": {"message_id": "some id"},
}
WRITES = [name for name, offer in OFFERED.items() if offer.contract.writes]


def args_of(name: str, graph: Served) -> dict[str, Any]:
    given = dict(ARGS[name])
    if "message_id" in given:
        given["message_id"] = graph.inbox()[-1]
    if name == "msgraph.send_draft":
        box = next(iter(graph.simulator.store.mailboxes()))
        recipient = {"emailAddress": {"address": COLLEAGUE}}
        given["message_id"] = box.id_of(
            box.add({"subject": "d", "toRecipients": [recipient]}, "drafts"), True
        )
    return given


def test_the_offers_are_a_catalogue_and_each_has_what_it_says() -> None:
    contracts = [offer.contract for offer in OFFERED.values()]
    handlers = {name: offer.handlers for name, offer in OFFERED.items()}
    assert validate(contracts, handlers, {}) == ((), ())
    for name, offer in OFFERED.items():
        operation = OPERATIONS[name]
        assert (
            ("undo" in offer.handlers)
            == (operation.undo is not None)
            == (offer.contract.undo is not Undo.NONE)
        )
        assert ("probe" in offer.handlers) == (operation.probe is not None) == offer.contract.writes
        assert ("preview" in offer.handlers) == (operation.describe is not None)
    assert OFFERED.keys() == OPERATIONS.keys() == ARGS.keys()


@pytest.mark.parametrize("name", OFFERED)
async def test_mock_works_with_nothing_configured(name: str) -> None:
    contract = OFFERED[name].contract
    assert schemas.checker(contract.input)(ARGS[name]) == ""
    result = await OfferedTool(OFFERED[name], NOTHING).mock(ARGS[name], context(Mode.MOCK))
    assert schemas.checker(contract.output)(result) == ""
    again = await OfferedTool(OFFERED[name], NOTHING).mock(ARGS[name], context(Mode.MOCK))
    assert result.keys() == again.keys()


async def test_what_one_mock_made_the_next_one_finds() -> None:
    draft = await OfferedTool(OFFERED["msgraph.draft"], NOTHING).mock(MAIL, context(Mode.MOCK))
    sent = await OfferedTool(OFFERED["msgraph.send_draft"], NOTHING).mock(
        {"message_id": draft["id"]}, context(Mode.MOCK)
    )
    assert sent["id"] == draft["id"]
    assert sent["isDraft"] is False


@pytest.mark.parametrize("name", [*WRITES, "msgraph.list"])
async def test_without_credentials_it_says_which_are_missing(name: str) -> None:
    with pytest.raises(AuthError, match=r"client_id .BUDDY_MSGRAPH_CLIENT_ID."):
        await OfferedTool(OFFERED[name], NOTHING).live(ARGS[name], context(Mode.LIVE))


@pytest.mark.parametrize("name", WRITES)
async def test_a_preview_lists_the_captured_request_and_writes_nothing(graph: Served, name: str) -> None:
    given = args_of(name, graph)
    before = graph.simulator.digest()
    preview = await graph.tool(name).preview(given, context(Mode.DRY_RUN))
    assert graph.simulator.layer.counts.writes == 0
    assert graph.simulator.digest() == before
    (first, *_) = preview.changes
    assert first["request"]["method"] in ("POST", "PATCH")
    assert first["request"]["url"].startswith(graph.url)
    assert schemas.checker(OFFERED[name].contract.output)(preview.result) == ""


@pytest.mark.parametrize("name", WRITES)
async def test_a_preview_lists_exactly_the_writes_that_live_makes(graph: Served, name: str) -> None:
    given = args_of(name, graph)
    (first, *_) = (await graph.tool(name).preview(given, context(Mode.DRY_RUN))).changes
    listed = [first["request"], *first.get("then", [])]
    graph.simulator.layer.counts.log.clear()
    await graph.tool(name).live(given, context(Mode.LIVE))
    made = [(method, path) for method, path, _ in graph.simulator.layer.counts.log if method != "GET"]
    assert len(listed) == len(made) == {"msgraph.send": 2, "msgraph.reply": 3}.get(name, 1)
    for shown, (method, path) in zip(listed, made, strict=True):
        assert shown["method"] == method
        # What does not exist yet has a made-up id in the preview.
        pattern = re.sub(r"preview:[\w-]+", "[^/]+", "/v1.0" + shown["url"].partition("/v1.0")[2])
        assert re.fullmatch(pattern, path), (shown, path)


@pytest.mark.parametrize("name", WRITES)
async def test_a_live_handler_that_is_called_in_dry_run_cannot_write(graph: Served, name: str) -> None:
    given = args_of(name, graph)
    with pytest.raises(Captured):
        await graph.tool(name).live(given, context(Mode.DRY_RUN))
    assert graph.simulator.layer.counts.writes == 0


async def test_a_draft_that_a_rehearsal_has_not_made_yet_can_be_sent_in_it(graph: Served) -> None:
    drafted = await graph.tool("msgraph.draft").preview(MAIL, context(Mode.DRY_RUN))
    assert drafted.result["id"].startswith(PLACEHOLDER)
    sent = await graph.tool("msgraph.send_draft").preview(
        {"message_id": drafted.result["id"]}, context(Mode.DRY_RUN)
    )
    assert sent.changes[0]["request"]["url"].endswith("/send")


@pytest.mark.parametrize("name", [name for name in WRITES if OFFERED[name].contract.undo is not Undo.NONE])
async def test_an_undo_leaves_the_mailbox_as_it_was_to_the_byte(graph: Served, name: str) -> None:
    given, tool = args_of(name, graph), graph.tool(name)
    before = graph.simulator.digest()
    result = await tool.live(given, context(Mode.LIVE))
    assert graph.simulator.digest() != before
    assert await tool.probe(call(name, **given)) is True
    assert await tool.undo(call(name, **given), result) == Restored(verified=True, exact=True)
    assert graph.simulator.digest() == before
    assert await tool.probe(call(name, **given)) is False


async def test_an_undo_leaves_alone_what_somebody_else_changed(graph: Served) -> None:
    tool, box = graph.tool("msgraph.draft"), next(iter(graph.simulator.store.mailboxes()))
    made = await tool.live(MAIL, context(Mode.LIVE))
    box.patch(box.item(made["id"]), {"subject": "mine now"})
    with pytest.raises(ChangedSince):
        await tool.undo(call("msgraph.draft", **MAIL), made)
    await graph.tool("msgraph.send_draft").live({"message_id": made["id"]}, context(Mode.LIVE))
    with pytest.raises(ChangedSince, match="was sent"):
        await tool.undo(call("msgraph.draft", **MAIL), None)

    (first, *_) = graph.inbox()
    deleted = await graph.tool("msgraph.delete").live({"message_id": first}, context(Mode.LIVE))
    box.move(box.item(first), "archive")
    with pytest.raises(ChangedSince):
        await graph.tool("msgraph.delete").undo(call("msgraph.delete", message_id=first), deleted)
    marked = await graph.tool("msgraph.mark_read").live({"message_id": first}, context(Mode.LIVE))
    box.patch(box.item(first), {"isRead": False})
    with pytest.raises(ChangedSince):
        await graph.tool("msgraph.mark_read").undo(call("msgraph.mark_read", message_id=first), marked)


@pytest.mark.parametrize("name", ["msgraph.mark_read", "msgraph.delete"])
async def test_an_undo_of_a_call_whose_end_nobody_saw_says_that_it_does_not_know(
    graph: Served, name: str
) -> None:
    given = args_of(name, graph)
    await graph.tool(name).live(given, context(Mode.LIVE))
    with pytest.raises(BuddyError, match="nobody saw the end"):
        await graph.tool(name).undo(call(name, **given), None)


@pytest.mark.parametrize("name", ["msgraph.send", "msgraph.reply"])
async def test_one_key_sends_one_mail_however_often_and_another_key_another(graph: Served, name: str) -> None:
    given, tool = args_of(name, graph), graph.tool(name)
    first, *others = [await tool.live(given, context(Mode.LIVE)) for _ in range(3)]
    assert len(graph.sent) == 1
    assert {other["id"] for other in others} == {first["id"]}
    assert await tool.probe(call(name, **given)) is True
    await tool.live(given, context(Mode.LIVE, key="key-2"))
    assert len(graph.sent) == 2


async def test_a_call_that_died_between_draft_and_send_goes_on_with_its_draft(graph: Served) -> None:
    async with graph.client() as client:
        draft = await client.create_draft(**MAIL, key=mark(asked(**MAIL)))
    sent = await graph.tool("msgraph.send").live(MAIL, context(Mode.LIVE))
    assert sent["id"] == draft["id"]
    assert len(graph.sent) == 1
    assert graph.simulator.layer.counts.by["POST /v1.0/me/messages"] == 1


async def test_a_mail_whose_arguments_were_edited_since_is_not_the_draft_of_before(graph: Served) -> None:
    async with graph.client() as client:
        await client.create_draft(**MAIL, key=mark(asked(**MAIL)))
    edited = {**MAIL, "subject": "Good morning"}
    await graph.tool("msgraph.send").live(edited, context(Mode.LIVE))
    assert [one.subject for one in graph.sent] == ["Good morning"]


async def test_sent_mail_is_there_for_the_receiver_without_the_senders_mark(graph: Served) -> None:
    await graph.tool("msgraph.send").live({**MAIL, "bcc": ["quiet@contoso.example"]}, context(Mode.LIVE))
    receiver = graph.simulator.store.find(COLLEAGUE)
    assert receiver is not None
    (item,) = receiver.within("inbox")
    assert item.content["subject"] == "Hello"
    assert item.content["bccRecipients"] == []
    assert item.content["singleValueExtendedProperties"] == []
    assert graph.sent[0].recipients == (COLLEAGUE, "quiet@contoso.example")


async def test_a_reply_to_everybody_goes_to_sender_and_receivers_but_not_to_oneself(graph: Served) -> None:
    graph.simulator.deliver("alex.rivera@contoso.example", "Plan", "Shall we?", "dana@northwind.example")
    newest = graph.inbox()[-1]
    box = next(iter(graph.simulator.store.mailboxes()))
    item = box.item(newest)
    box._put(
        type(item)(
            number=item.number,
            folder=item.folder,
            content={**item.content, "ccRecipients": [{"emailAddress": {"address": COLLEAGUE}}]},
        )
    )
    given = {"message_id": newest, "body": "Yes.", "everybody": True}
    await graph.tool("msgraph.reply").live(given, context(Mode.LIVE))
    (sent,) = graph.sent
    assert sent.recipients == ("dana@northwind.example", COLLEAGUE)
    assert sent.subject == "RE: Plan"


async def test_a_message_that_is_no_draft_is_not_sent(graph: Served) -> None:
    with pytest.raises(Conflict, match="no draft"):
        await graph.tool("msgraph.send_draft").live({"message_id": graph.inbox()[0]}, context(Mode.LIVE))


async def test_lists_come_in_pages_up_to_the_limit(graph: Served) -> None:
    for number in range(130):
        graph.simulator.deliver("alex.rivera@contoso.example", f"Number {number}", "", "x@y.example")
    found = await graph.tool("msgraph.list").live({"limit": 120}, context(Mode.LIVE))
    subjects = [one["subject"] for one in found["messages"]]
    assert len(subjects) == len(set(subjects)) == 120
    assert subjects[0] == "Number 129"
    every = await graph.tool("msgraph.list").live({"limit": 500, "unread_only": True}, context(Mode.LIVE))
    assert len(every["messages"]) == 134
    some = await graph.tool("msgraph.search").live({"query": 'subject:"Number 12"'}, context(Mode.LIVE))
    assert [one["subject"] for one in some["messages"]][-1] == "Number 12"


async def test_what_is_not_there_is_not_found_in_both_of_the_vendors_ways(graph: Served) -> None:
    for message_id in ("no id at all", "AAkALg" + "x" * 48 + "AA2"):
        with pytest.raises(NotFound) as found:
            await graph.tool("msgraph.get").live({"message_id": message_id}, context(Mode.LIVE))
        assert found.value.status in (400, 404)
        assert found.value.raw["error"]["code"] in ("ErrorInvalidIdMalformed", "ErrorItemNotFound")


async def test_the_connection_says_which_mailbox_it_reaches(graph: Served) -> None:
    found = await graph.client().test_connection()
    assert found == {"ok": True, "mailbox": "me", "messages": 5, "unread": 4}


async def test_a_client_that_nobody_entered_serves_calls_at_once(graph: Served) -> None:
    client = graph.client()
    found = await asyncio.gather(*(client.get_messages(limit=2) for _ in range(5)))
    assert [len(one) for one in found] == [2] * 5
    assert client.is_open is False


async def test_a_link_to_the_next_page_that_leads_elsewhere_is_not_given_the_token(graph: Served) -> None:
    async with graph.client() as client:
        with pytest.raises(ProviderUnavailable, match="leads elsewhere"):
            await client._follow("http://127.0.0.1:9/v1.0/me/messages")
