"""The vendor's own SDK, unmodified, against the served simulator; and with our guard under it."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("msgraph", reason="msgraph-sdk is not installed; it comes with the group conformance")

import httpx

with warnings.catch_warnings():  # the SDK calls classes of its own deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from azure.core.credentials import AccessToken
    from kiota_abstractions.api_error import APIError
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.body_type import BodyType
    from msgraph.generated.models.email_address import EmailAddress
    from msgraph.generated.models.internet_message_header import InternetMessageHeader
    from msgraph.generated.models.item_body import ItemBody
    from msgraph.generated.models.message import Message
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.recipient import Recipient
    from msgraph.generated.users.item.mail_folders.item.messages.messages_request_builder import (
        MessagesRequestBuilder as FolderMessages,
    )
    from msgraph.generated.users.item.messages.item.create_reply.create_reply_post_request_body import (
        CreateReplyPostRequestBody,
    )
    from msgraph.generated.users.item.messages.item.forward.forward_post_request_body import (
        ForwardPostRequestBody,
    )
    from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
    from msgraph.generated.users.item.messages.item.reply.reply_post_request_body import ReplyPostRequestBody
    from msgraph.generated.users.item.messages.messages_request_builder import MessagesRequestBuilder
    from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
    from msgraph.graph_request_adapter import options
    from msgraph_core import GraphClientFactory


from buddy.adapters.providers.base.api import real_transport
from buddy.adapters.providers.base.errors import Captured
from buddy.adapters.providers.base.transport import ModeTransport
from buddy.adapters.providers.msgraph.allowed import ALLOWED
from buddy.adapters.providers.msgraph.once import SentOnce
from buddy.model.mode import Mode
from providers.msgraph.bench import COLLEAGUE, Served, served

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")

OWNER = "alex.rivera@contoso.example"


class Token:
    """Credentials in the SDK's form."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self._token, 4_102_444_800)

    def close(self) -> None:
        """Nothing is open."""


OPEN: list[httpx.AsyncBaseTransport] = []
"""Connections of the SDK, which does not close them itself."""


def sdk(
    graph: Served, token: str = "", transport: httpx.AsyncBaseTransport | None = None
) -> GraphServiceClient:
    scopes = ["https://graph.microsoft.com/.default"]
    auth = AzureIdentityAuthenticationProvider(Token(token or graph.simulator.token()), scopes=scopes)
    OPEN.append(transport or real_transport())
    client = httpx.AsyncClient(transport=OPEN[-1], timeout=10)
    client = GraphClientFactory.create_with_default_middleware(client=client, options=options)
    adapter = GraphRequestAdapter(auth, client)
    adapter.base_url = graph.url
    return GraphServiceClient(request_adapter=adapter)


def run(test: Callable[[Served], Awaitable[None]], **settings: Any) -> None:
    """Serve a simulator, let a test use it, and close what the SDK left open."""

    async def closing(graph: Served) -> None:
        try:
            await test(graph)
        finally:
            while OPEN:
                await OPEN.pop().aclose()

    with served(**settings) as graph:
        asyncio.run(closing(graph))


def mail(subject: str = "Hello", to: str = COLLEAGUE) -> Message:
    return Message(
        subject=subject,
        body=ItemBody(content_type=BodyType.Html, content="<p>Are you in?</p>"),
        to_recipients=[Recipient(email_address=EmailAddress(address=to))],
        internet_message_headers=[InternetMessageHeader(name="x-buddy-test", value="1")],
    )


def listed(**query: Any) -> Any:
    parameters = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters(**query)
    return RequestConfiguration(query_parameters=parameters)


def test_lists_with_paging_order_selection_and_count() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        page = await client.me.messages.get(
            listed(top=2, select=["subject", "isRead"], orderby=["receivedDateTime desc"], count=True)
        )
        assert page.odata_count == 5
        seen = [one.subject for one in page.value]
        assert page.value[0].body is None
        while page.odata_next_link:
            page = await client.me.messages.with_url(page.odata_next_link).get()
            seen += [one.subject for one in page.value]
        assert len(seen) == len(set(seen)) == 5
        assert seen[0] == "Re: Benefits renewal for 2026"
        assert (await client.me.messages.count.get()) == 5

    run(test)


def test_searches_and_filters() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        found = await client.me.messages.get(listed(search='"from:dana dental"'))
        assert [one.subject for one in found.value] == ["Re: Benefits renewal for 2026"]
        found = await client.me.messages.get(
            listed(filter="isRead eq false and from/emailAddress/address eq 'dana@northwind.example'")
        )
        assert len(found.value) == 2
        found = await client.me.messages.get(
            listed(filter="receivedDateTime ge 2026-01-08T00:00:00Z", orderby=["receivedDateTime"])
        )
        assert [one.subject for one in found.value] == ["Invoice 2231", "Re: Benefits renewal for 2026"]
        with pytest.raises(ODataError) as refused:
            await client.me.messages.get(listed(search='"a"', skip=1))
        assert refused.value.response_status_code == 400
        with pytest.raises(ODataError) as refused:
            await client.me.messages.get(listed(filter="isRead eq false", orderby=["subject"]))
        assert refused.value.error.code == "InefficientFilter"

    run(test)


def test_gets_and_patches_and_knows_every_property_that_is_shown() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        first = (await client.me.messages.get(listed(top=1))).value[0]
        message = client.me.messages.by_message_id(first.id)
        found = await message.get()
        assert found.from_.email_address.address == "dana@northwind.example"
        assert found.received_date_time.isoformat() == "2026-01-09T16:55:00+00:00"
        assert found.flag.flag_status.value == "flagged"
        assert found.conversation_index
        assert set(found.additional_data) <= {"@odata.context", "@odata.etag"}
        patched = await message.patch(Message(is_read=True, categories=["Blue category"]))
        assert (patched.is_read, patched.categories) == (True, ["Blue category"])
        assert patched.change_key != found.change_key
        me = await client.me.get()
        assert me.mail == OWNER

    run(test)


def test_sends_at_once_and_saves_only_where_it_is_told_to() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        for keep in (False, True):
            await client.me.send_mail.post(SendMailPostRequestBody(message=mail(), save_to_sent_items=keep))
        assert len(graph.sent) == 2
        folder = client.me.mail_folders.by_mail_folder_id("sentitems")
        assert (await folder.get()).total_item_count == 1
        (sent,) = (await folder.messages.get()).value
        query = FolderMessages.MessagesRequestBuilderGetQueryParameters(select=["internetMessageHeaders"])
        (sent,) = (await folder.messages.get(RequestConfiguration(query_parameters=query))).value
        assert sent.internet_message_headers[0].name == "x-buddy-test"
        other = sdk(graph, graph.simulator.token(mailbox=COLLEAGUE))
        assert len((await other.me.messages.get()).value) == 2

    run(test)


def test_drafts_then_sends_with_an_id_that_stays() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        lasting = RequestConfiguration()
        lasting.headers.add("Prefer", 'IdType="ImmutableId"')
        draft = await client.me.messages.post(mail(), lasting)
        assert draft.is_draft
        await client.me.messages.by_message_id(draft.id).send.post()
        found = await client.me.messages.by_message_id(draft.id).get(lasting)
        assert found.id == draft.id
        assert not found.is_draft
        assert [one.internet_message_id for one in graph.sent] == [found.internet_message_id]
        draft = await client.me.messages.post(mail())
        await client.me.messages.by_message_id(draft.id).send.post()
        with pytest.raises(ODataError) as gone:
            await client.me.messages.by_message_id(draft.id).get()
        assert gone.value.error.code == "ErrorItemNotFound"

    run(test)


def test_replies_forwards_and_prepares_a_reply() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        first = (await client.me.messages.get(listed(top=1))).value[0]
        message = client.me.messages.by_message_id(first.id)
        await message.reply.post(ReplyPostRequestBody(comment="Yes."))
        recipient = Recipient(email_address=EmailAddress(address=COLLEAGUE))
        await message.forward.post(ForwardPostRequestBody(comment="See", to_recipients=[recipient]))
        assert [one.subject for one in graph.sent] == [
            "RE: Benefits renewal for 2026",
            "FW: Benefits renewal for 2026",
        ]
        assert graph.sent[0].recipients == ("dana@northwind.example",)
        draft = await message.create_reply.post(CreateReplyPostRequestBody(comment="Later."))
        assert draft.is_draft
        assert draft.conversation_id == first.conversation_id
        assert "dental" in draft.body.content

    run(test)


def test_moves_and_deletes_and_the_id_changes_by_the_move() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        first = (await client.me.messages.get(listed(top=1))).value[0]
        moved = await client.me.messages.by_message_id(first.id).move.post(
            MovePostRequestBody(destination_id="deleteditems")
        )
        assert moved.id != first.id
        bin_ = await client.me.mail_folders.by_mail_folder_id("deleteditems").get()
        assert moved.parent_folder_id == bin_.id
        second = (await client.me.mail_folders.by_mail_folder_id("inbox").messages.get()).value[0]
        await client.me.messages.by_message_id(second.id).delete()
        assert (await client.me.mail_folders.by_mail_folder_id("inbox").get()).total_item_count == 3
        assert len((await client.me.mail_folders.get()).value) == 7

    run(test)


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("unknown", 404, "ErrorItemNotFound"),
        ("malformed", 400, "ErrorInvalidIdMalformed"),
        ("no recipient", 400, "ErrorInvalidRecipients"),
        ("bad header", 400, "InvalidInternetMessageHeader"),
        ("no scope", 403, "ErrorAccessDenied"),
        ("no token", 401, "InvalidAuthenticationToken"),
        ("application", 400, "BadRequest"),
    ],
)
def test_errors_have_the_vendors_form(what: str, status: int, code: str) -> None:
    async def test(graph: Served) -> None:
        sim = graph.simulator
        tokens = {"no scope": sim.token("Mail.Read"), "no token": "bad", "application": sim.token(mailbox="")}
        client = sdk(graph, tokens.get(what, ""))
        bad = Message(internet_message_headers=[InternetMessageHeader(name="Bcc", value="x")])
        unknown = "AAMk" + "x" * 64 + "AAA="
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "unknown": lambda: client.me.messages.by_message_id(unknown).get(),
            "malformed": lambda: client.me.messages.by_message_id("nothing").get(),
            "no recipient": lambda: client.me.send_mail.post(SendMailPostRequestBody(message=Message())),
            "bad header": lambda: client.me.messages.post(bad),
            "no scope": lambda: client.me.messages.post(mail()),
        }
        with pytest.raises(ODataError) as refused:
            await calls.get(what, client.me.messages.get)()
        assert refused.value.response_status_code == status
        assert refused.value.error.code == code
        assert refused.value.error.message
        assert refused.value.error.inner_error.request_id
        assert graph.sent == []

    run(test)


def test_an_application_reaches_mailboxes_by_their_address() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph, graph.simulator.token(mailbox=""))
        assert len((await client.users.by_user_id(OWNER).messages.get()).value) == 5
        with pytest.raises(ODataError) as refused:
            await client.users.by_user_id("nobody@contoso.example").messages.get()
        assert refused.value.error.code == "ErrorInvalidUser"

    run(test)


def test_the_sdk_waits_where_it_is_throttled_and_goes_on() -> None:
    async def test(graph: Served) -> None:
        client = sdk(graph)
        clock[0] = 0.0
        assert len((await client.me.messages.get()).value) == 5

        async def later() -> None:
            await asyncio.sleep(0.5)
            clock[0] = 1.0

        waiting = asyncio.create_task(later())
        assert len((await client.me.messages.get()).value) == 5
        await waiting
        assert [status for _, _, status in graph.simulator.layer.counts.log] == [200, 429, 200]

    clock = [0.0]
    run(test, limit=(1, 1.0), now=lambda: clock[0])


async def every_write(client: GraphServiceClient, message_id: str) -> list[Callable[[], Awaitable[Any]]]:
    message = client.me.messages.by_message_id(message_id)
    return [
        lambda: client.me.messages.post(mail()),
        lambda: client.me.send_mail.post(SendMailPostRequestBody(message=mail())),
        lambda: message.patch(Message(is_read=True)),
        lambda: message.reply.post(ReplyPostRequestBody(comment="x")),
        lambda: message.create_reply.post(CreateReplyPostRequestBody(comment="x")),
        lambda: message.send.post(),
        lambda: message.move.post(MovePostRequestBody(destination_id="archive")),
        lambda: message.delete(),
        lambda: message.permanent_delete.post(),
    ]


def test_no_write_of_the_sdk_leaves_in_dry_run_and_each_is_captured() -> None:
    async def test(graph: Served) -> None:
        guard = ModeTransport(Mode.DRY_RUN, real=real_transport(), allow=ALLOWED)
        client = sdk(graph, transport=guard)
        before = graph.simulator.digest()
        first = (await client.me.messages.get()).value[0]
        writes = await every_write(client, first.id)
        for write in writes:
            with pytest.raises(Captured):
                await write()
        assert len(guard.captured) == len(writes)
        assert guard.captured[1].body["Message"]["subject"] == "Hello"
        assert graph.simulator.layer.counts.writes == 0
        assert graph.simulator.digest() == before

    run(test)


class AnsweredLate(httpx.AsyncBaseTransport):
    """A gateway that passes a request on and answers 504 all the same."""

    def __init__(self) -> None:
        self._inner = real_transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        return httpx.Response(
            504, headers={"Retry-After": "1"}, json={"error": {"code": "x", "message": "y"}}
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.parametrize(("guarded", "mails"), [(False, 2), (True, 1)])
def test_the_sdk_sends_twice_after_a_gateway_timeout_and_our_transport_does_not_let_it(
    guarded: bool, mails: int
) -> None:
    async def test(graph: Served) -> None:
        late: httpx.AsyncBaseTransport = AnsweredLate()
        transport = ModeTransport(Mode.LIVE, real=SentOnce(late)) if guarded else late
        request = sdk(graph, transport=transport).me.send_mail.post(SendMailPostRequestBody(message=mail()))
        with pytest.raises(APIError if guarded else TimeoutError):
            await asyncio.wait_for(request, 1.8)
        assert len(graph.sent) == mails

    run(test)


def test_reads_of_the_sdk_pass_in_every_mode() -> None:
    async def test(graph: Served) -> None:
        for mode in (Mode.DRY_RUN, Mode.LIVE):
            client = sdk(graph, transport=ModeTransport(mode, real=real_transport()))
            assert len((await client.me.messages.get()).value) == 5

    run(test)
