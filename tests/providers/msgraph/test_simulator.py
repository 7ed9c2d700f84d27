"""The simulator's wire, as far as the vendor's SDK does not try it: bodies, permissions, ids, delivery."""

import httpx
import pytest

from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from providers.msgraph.bench import COLLEAGUE, OWNER, Served, Wire, code

MAIL = {"subject": "Hello", "toRecipients": [{"emailAddress": {"address": COLLEAGUE}}]}
DENTAL = "Re: Benefits renewal for 2026"


async def test_ids_are_regular_or_lasting_as_the_client_prefers_and_both_are_found() -> None:
    wire, lasting = Wire(), {"Prefer": 'IdType="ImmutableId"'}
    regular, stays = await wire.first(), await wire.first(**lasting)
    assert regular["id"] != stays["id"]
    for known in (regular["id"], stays["id"]):
        assert (await wire("GET", f"/me/messages/{known}")).json()["subject"] == DENTAL
    moved = await wire(
        "POST", f"/me/messages/{stays['id']}/move", json={"destinationId": "archive"}, headers=lasting
    )
    assert moved.json()["id"] == stays["id"]
    assert moved.headers["Preference-Applied"] == lasting["Prefer"]
    assert code(await wire("GET", f"/me/messages/{regular['id']}")) == (404, "ErrorItemNotFound")
    copied = await wire("POST", f"/me/messages/{stays['id']}/copy", json={"DestinationId": "inbox"})
    assert copied.status_code == 201
    assert copied.json()["id"] not in (regular["id"], stays["id"])
    at_folder = f"/me/mailFolders/archive/messages/{stays['id']}"
    assert (await wire("GET", at_folder)).status_code == 200
    assert code(await wire("GET", at_folder.replace("archive", "inbox"))) == (404, "ErrorItemNotFound")


async def test_a_delete_goes_to_the_deleted_items_and_from_there_out_of_sight() -> None:
    wire, lasting = Wire(), {"Prefer": 'IdType="ImmutableId"'}
    item = (await wire.first(**lasting))["id"]
    for folder, total in (("deleteditems", 1), ("deleteditems", 0)):
        assert (await wire("DELETE", f"/me/messages/{item}")).status_code == 204
        assert (await wire("GET", f"/me/mailFolders/{folder}")).json()["totalItemCount"] == total
    assert code(await wire("GET", f"/me/messages/{item}")) == (404, "ErrorItemNotFound")


async def test_a_change_for_another_version_is_refused() -> None:
    wire = Wire()
    first = await wire.first()
    path, tag = f"/me/messages/{first['id']}", {"If-Match": first["@odata.etag"]}
    assert (await wire("PATCH", path, json={"isRead": True}, headers=tag)).status_code == 200
    for method in ("PATCH", "DELETE"):
        answer = await wire(method, path, json={"isRead": False}, headers=tag)
        assert code(answer) == (412, "ErrorIrresolvableConflict")
    frozen = await wire("PATCH", path, json={"subject": "Mine"})
    assert code(frozen) == (400, "ErrorInvalidPropertySet")
    headers = [{"name": "x-a", "value": "1"}]
    assert code(await wire("PATCH", path, json={"internetMessageHeaders": headers})) == (
        400,
        "RequestBodyRead",
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("messages", b"", "BadRequest"),
        ("messages", b"[1]", "BadRequest"),
        ("messages", b"{", "BadRequest"),
        ("messages", b"[" * 100_000, "BadRequest"),
        ("messages", b'{"colour": "red"}', "RequestBodyRead"),
        ("messages", b'{"isRead": "yes"}', "RequestBodyRead"),
        ("messages", b'{"toRecipients": [{"emailAddress": {"mail": "a@b.c"}}]}', "RequestBodyRead"),
        ("messages", b'{"importance": "huge"}', "RequestBodyRead"),
        (
            "messages",
            b'{"internetMessageHeaders": [{"name": "Bcc", "value": "x"}]}',
            "InvalidInternetMessageHeader",
        ),
        ("sendMail", b"{}", "BadRequest"),
        ("sendMail", b'{"mail": {}}', "BadRequest"),
        ("sendMail", b'{"message": 5}', "RequestBodyRead"),
        ("sendMail", b'{"message": {}, "saveToSentItems": "no"}', "RequestBodyRead"),
        ("sendMail", b'{"message": {"subject": "x"}}', "ErrorInvalidRecipients"),
        (
            "sendMail",
            b'{"message": {"toRecipients": [{"emailAddress": {"address": "no address"}}]}}',
            "ErrorInvalidRecipients",
        ),
    ],
)
async def test_bodies_that_cannot_be_read_are_refused_and_leave_nothing(
    path: str, body: bytes, expected: str
) -> None:
    wire = Wire()
    before = wire.simulator.digest()
    answer = await wire("POST", f"/me/{path}", content=body)
    assert code(answer) == (400, expected)
    assert wire.simulator.digest() == before


async def test_more_than_five_own_headers_and_more_than_four_megabytes_are_too_much() -> None:
    wire = Wire()
    many = [{"name": f"x-{number}", "value": "1"} for number in range(6)]
    answer = await wire("POST", "/me/messages", json={"internetMessageHeaders": many})
    assert code(answer) == (400, "InvalidInternetMessageHeaderCollection")
    answer = await wire("POST", "/me/messages", content=b" " * (4 * 1024 * 1024 + 1))
    assert code(answer) == (413, "ErrorMessageSizeExceeded")


async def test_nobody_sends_in_anothers_name() -> None:
    wire = Wire()
    other = {"emailAddress": {"address": COLLEAGUE}}
    answer = await wire("POST", "/me/sendMail", json={"message": {**MAIL, "from": other}})
    assert code(answer) == (403, "ErrorSendAsDenied")
    draft = (await wire("POST", "/me/messages", json={**MAIL, "from": other})).json()
    assert code(await wire("POST", f"/me/messages/{draft['id']}/send")) == (403, "ErrorSendAsDenied")
    assert wire.simulator.store.sent == []


@pytest.mark.parametrize(
    ("permission", "method", "path", "status"),
    [
        ("Mail.ReadBasic", "GET", "/me/messages", 200),
        ("Mail.Read", "GET", "/me/mailFolders", 200),
        ("Mail.ReadBasic", "GET", "/me/messages/{first}/attachments", 403),
        ("Mail.Send", "GET", "/me/messages", 403),
        ("Mail.Read", "PATCH", "/me/messages/{first}", 403),
        ("Mail.ReadWrite", "POST", "/me/sendMail", 403),
        ("Mail.ReadWrite", "POST", "/me/messages/{first}/send", 403),
        ("Mail.ReadWrite", "POST", "/me/messages/{first}/reply", 403),
        ("Mail.ReadWrite", "POST", "/me/messages/{first}/createReply", 201),
        ("Mail.Send", "POST", "/me/messages/{first}/reply", 202),
        ("Mail.Send", "DELETE", "/me/messages/{first}", 403),
    ],
)
async def test_a_token_allows_what_it_was_consented_for(
    permission: str, method: str, path: str, status: int
) -> None:
    wire = Wire()
    first = (await wire.first())["id"]
    wire.token = wire.simulator.token(permission)
    answer = await wire(method, path.format(first=first), json={} if method != "GET" else None)
    assert answer.status_code == status
    if status == 403:
        assert code(answer) == (403, "ErrorAccessDenied")


async def test_tokens_that_are_no_good_are_refused() -> None:
    clock = [1_000_000.0]
    wire = Wire(now=lambda: clock[0])
    good = wire.simulator.token(lifetime_s=60)
    head, body, _ = good.split(".")
    elsewhere = wire.simulator.tenant.issue(["Mail.Read"], OWNER, audience="https://example.com")
    for token in ("", "x", f"{head}.{body}.AAAA", "a.b.c", elsewhere, GraphSimulator(seed=9).token()):
        wire.token = token
        assert code(await wire("GET", "/me/messages")) == (401, "InvalidAuthenticationToken")
    wire.token = good
    assert (await wire("GET", "/me/messages")).status_code == 200
    clock[0] += 61
    assert code(await wire("GET", "/me/messages")) == (401, "InvalidAuthenticationToken")


async def test_a_persons_token_opens_that_persons_mailbox_alone() -> None:
    wire = Wire()
    assert (await wire("GET", f"/users/{OWNER}/messages")).status_code == 200
    me = (await wire("GET", "/me")).json()
    assert (await wire("GET", f"/users/{me['id']}")).json()["mail"] == OWNER
    assert code(await wire("GET", f"/users/{COLLEAGUE}/messages")) == (403, "ErrorAccessDenied")
    wire.token = wire.simulator.token(mailbox="")
    assert (await wire("GET", f"/users/{COLLEAGUE}/messages")).json()["value"] == []
    assert code(await wire("GET", "/me/messages")) == (400, "BadRequest")


async def test_bodies_come_as_text_where_that_is_preferred() -> None:
    wire = Wire()
    params = {"$filter": "importance eq 'high'"}
    as_sent = (await wire("GET", "/me/messages", params=params)).json()["value"][0]
    prefer = {"Prefer": 'outlook.body-content-type="text"'}
    as_text = (await wire("GET", "/me/messages", params=params, headers=prefer)).json()["value"][0]
    assert as_sent["body"]["contentType"] == "html"
    assert as_text["body"] == {
        "contentType": "text",
        "content": "Please change your password before 17 January.\n",
    }
    assert as_sent["bodyPreview"] == "Please change your password before 17 January."


async def test_a_reply_arrives_in_the_conversation_that_it_answers() -> None:
    wire = Wire()
    await wire("POST", "/me/sendMail", json={"message": MAIL})
    wire.token = wire.simulator.token(mailbox=COLLEAGUE)
    received = await wire.first()
    await wire("POST", f"/me/messages/{received['id']}/reply", json={"comment": "Yes"})
    wire.token = wire.simulator.token()
    sent = (await wire("GET", "/me/mailFolders/sentitems/messages")).json()["value"][0]
    answer = await wire.first()
    assert answer["subject"] == "RE: Hello"
    assert answer["conversationId"] == sent["conversationId"]
    assert answer["conversationIndex"] != sent["conversationIndex"]


async def test_a_forward_takes_the_attachments_along_and_a_body_besides_a_comment_is_refused() -> None:
    wire = Wire()
    params = {"$filter": "hasAttachments eq true"}
    invoice = (await wire("GET", "/me/messages", params=params)).json()["value"][0]["id"]
    body = {"comment": "See below", "toRecipients": MAIL["toRecipients"]}
    draft = (await wire("POST", f"/me/messages/{invoice}/createForward", json=body)).json()
    assert draft["hasAttachments"] is True
    assert draft["body"]["content"].startswith("See below\n")
    both = {"comment": "a", "message": {"body": {"contentType": "text", "content": "b"}}}
    answer = await wire("POST", f"/me/messages/{invoice}/createReply", json=both)
    assert code(answer) == (400, "ErrorInvalidRequest")


async def test_what_is_not_an_address_of_the_interface_is_answered_in_its_form() -> None:
    wire = Wire()
    assert (await wire("GET", "/me/colours")).json()["error"]["innerError"]["request-id"]
    assert (await wire("PUT", "/me/messages")).status_code == 405
    answer = await wire("GET", "/me/messages", headers={"client-request-id": "mine"})
    assert answer.headers["client-request-id"] == "mine"


def test_the_same_seed_gives_the_same_mailbox_and_another_seed_other_ids() -> None:
    first, again, other = GraphSimulator(seed=1), GraphSimulator(seed=1), GraphSimulator(seed=2)
    assert first.state() == again.state()
    ids = [{one.key for one in simulator.store.mailboxes()} for simulator in (first, other)]
    assert ids[0].isdisjoint(ids[1])
    first.deliver(OWNER, "One more", "")
    assert first.digest() != again.digest()
    first.reset()
    assert first.digest() == again.digest()


def test_mail_from_outside_arrives_over_http_also_where_nobody_was_before(graph: Served) -> None:
    admin = f"{graph.base}/_sim"
    mail = {"mailbox": "new@contoso.example", "subject": "Your code", "body": "Your code is 493 022."}
    answer = httpx.post(f"{admin}/deliver", json=mail)
    assert answer.status_code == 201
    token = graph.simulator.token(mailbox="new@contoso.example")
    found = httpx.get(f"{graph.url}/me/messages", headers={"Authorization": f"Bearer {token}"}).json()[
        "value"
    ]
    assert [one["bodyPreview"] for one in found] == ["Your code is 493 022."]
    assert httpx.post(f"{admin}/deliver", json={"mailbox": "x"}).status_code == 400
    assert graph.simulator.layer.counts.writes == 0
    assert httpx.get(f"{admin}/openapi.json").json()["paths"]["/v1.0/me/sendMail"]
    assert httpx.get(f"{admin}/state").json()["digest"] == graph.simulator.digest()
