"""What a client can ask of a collection of messages, and what it is refused."""

import pytest

from providers.msgraph.bench import COLLEAGUE, OWNER, Wire, code

MAIL = {"subject": "Hello", "toRecipients": [{"emailAddress": {"address": COLLEAGUE}}]}
RENEWAL, PROSPECTS, PASSWORD, INVOICE, DENTAL = (
    "Benefits renewal for 2026",
    "Prospect list for Friday",
    "Your password expires in 10 days",
    "Invoice 2231",
    "Re: Benefits renewal for 2026",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("isRead eq true", [PROSPECTS]),
        ("isRead ne false", [PROSPECTS]),
        ("not (isRead eq false)", [PROSPECTS]),
        ("hasAttachments eq true or importance eq 'high'", [INVOICE, PASSWORD]),
        ("contains(subject,'RENEWAL') and startswith(subject, 'Re')", [DENTAL]),
        ("endswith(from/emailAddress/address,'northwind.example')", [DENTAL, RENEWAL]),
        ("receivedDateTime ge 2026-01-08 and receivedDateTime lt 2026-01-09T00:00:00Z", [INVOICE]),
        ("receivedDateTime gt 2026-01-09T17:00:00+01:00", [DENTAL]),
        ("categories/any(c:c eq 'Blue category')", [PROSPECTS]),
        ("flag/flagStatus eq 'flagged'", [DENTAL]),
        ("subject eq 'invoice 2231'", [INVOICE]),
        ("subject eq 'it''s'", []),
        ("subject eq null", []),
        ("subject gt 5", []),
        ("singleValueExtendedProperties/any(ep: ep/id eq 'String {1} Name A' and ep/value eq '1')", []),
    ],
)
async def test_filters_give_what_they_say(text: str, found: list[str]) -> None:
    assert await Wire().subjects(filter=text) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (400, "BadRequest")),
        ("isRead", (400, "BadRequest")),
        ("isRead eq", (400, "BadRequest")),
        ("isRead eq maybe", (400, "BadRequest")),
        ("isRead is true", (400, "BadRequest")),
        ("isRead eq true)", (400, "BadRequest")),
        ("(isRead eq true", (400, "BadRequest")),
        ("contains(subject,5)", (400, "BadRequest")),
        ("subject eq 'open", (400, "BadRequest")),
        ("receivedDateTime ge 2026-99-99", (400, "BadRequest")),
        ("(" * 60 + "isRead eq true" + ")" * 60, (400, "BadRequest")),
        ("colour eq 'red'", (400, "RequestBroker--ParseUri")),
        ("from/emailAddress/phone eq '1'", (400, "RequestBroker--ParseUri")),
        ("categories/any(c:d eq 'x')", (400, "RequestBroker--ParseUri")),
        ("toRecipients/any(r:r/emailAddress/address eq 'x')", (400, "ErrorInvalidUrlQueryFilter")),
        ("toRecipients eq 'x'", (400, "ErrorInvalidUrlQueryFilter")),
    ],
)
async def test_filters_that_the_vendor_does_not_take_are_refused(
    text: str, expected: tuple[int, str]
) -> None:
    assert code(await Wire()("GET", "/me/messages", params={"$filter": text})) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("renewal", [DENTAL, RENEWAL]),
        ('"renewal"', [DENTAL, RENEWAL]),
        ('"subject:renewal AND dental"', [DENTAL]),
        ('"dental OR invoice"', [DENTAL, INVOICE]),
        ('"renewal NOT dental"', [RENEWAL]),
        ('"(dental OR invoice) AND from:priya"', [INVOICE]),
        ('"\\"quote? dana\\""', []),
        ('"\\"employees now\\""', [RENEWAL]),
        ('"hasAttachments:true"', [INVOICE]),
        ('"to:alex"', [DENTAL, INVOICE, PASSWORD, PROSPECTS, RENEWAL]),
        ('"participants:priya"', [INVOICE]),
        ('"invo*"', [INVOICE]),
        ('"nvoice"', []),
        ('"colour:red"', []),
    ],
)
async def test_searches_give_what_they_say(text: str, found: list[str]) -> None:
    assert await Wire().subjects(search=text) == found


@pytest.mark.parametrize("text", ["", '""', '"AND"', '"(a"', '"a)"', '"a OR"', '"NOT"'])
async def test_searches_that_cannot_be_read_are_refused(text: str) -> None:
    assert code(await Wire()("GET", "/me/messages", params={"$search": text})) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"$search": "a", "$skip": "1"}, "SearchWithSkip"),
        ({"$search": "a", "$filter": "isRead eq true"}, "SearchWithFilter"),
        ({"$search": "a", "$orderby": "subject"}, "SearchWithOrderBy"),
        ({"$filter": "isRead eq true", "$orderby": "subject"}, "InefficientFilter"),
        ({"$top": "1001"}, "ErrorInvalidUrlQuery"),
        ({"$top": "0"}, "BadRequest"),
        ({"$top": "many"}, "BadRequest"),
        ({"$skip": "-1"}, "BadRequest"),
        ({"$count": "perhaps"}, "BadRequest"),
        ({"$skiptoken": "mine"}, "BadRequest"),
        ({"$levels": "1"}, "BadRequest"),
        ({"$select": "colour"}, "RequestBroker--ParseUri"),
        ({"$orderby": "colour"}, "RequestBroker--ParseUri"),
        ({"$orderby": "subject up"}, "BadRequest"),
        ({"$expand": "colour"}, "BadRequest"),
    ],
)
async def test_query_options_that_do_not_go_are_refused(options: dict[str, str], expected: str) -> None:
    assert code(await Wire()("GET", "/me/messages", params=options)) == (400, expected)


async def test_pages_are_linked_until_the_end_and_a_search_has_pages_too() -> None:
    wire = Wire()
    for number in range(25):
        wire.simulator.deliver(OWNER, f"Number {number}", "text", "x@y.example")
    seen, link, sizes = [], "/me/messages?$search=%22number%22&$top=10", []
    while link:
        page = (await wire("GET", link)).json()
        seen += [one["subject"] for one in page["value"]]
        sizes.append(len(page["value"]))
        link = page.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert sizes == [10, 10, 5]
    assert seen == [f"Number {number}" for number in reversed(range(25))]
    answer = await wire("GET", "/me/messages", headers={"Prefer": "odata.maxpagesize=3"})
    assert len(answer.json()["value"]) == 3
    assert (await wire("GET", "/me/messages/$count")).text == "30"
    assert await wire.subjects(orderby="subject", top="1", skip="1") == [INVOICE]


async def test_expands_and_selects_what_is_asked_for() -> None:
    wire = Wire()
    answer = await wire(
        "GET", "/me/messages", params={"$filter": "hasAttachments eq true", "$expand": "attachments"}
    )
    (message,) = answer.json()["value"]
    assert message["attachments"][0]["name"] == "invoice-2231.txt"
    listed = (await wire("GET", f"/me/messages/{message['id']}/attachments")).json()["value"]
    assert listed == message["attachments"]
    own = {"id": "String {1} Name Own", "value": "it's"}
    draft = (await wire("POST", "/me/messages", json={**MAIL, "singleValueExtendedProperties": [own]})).json()
    assert "singleValueExtendedProperties" not in draft
    shown = "singleValueExtendedProperties($filter=id eq 'String {1} Name Own')"
    got = await wire("GET", f"/me/messages/{draft['id']}", params={"$expand": shown, "$select": "subject"})
    assert got.json()["singleValueExtendedProperties"] == [own]
    assert got.json().keys() >= {"id", "subject", "@odata.etag"}
    assert "body" not in got.json()
    marked = "singleValueExtendedProperties/any(ep: ep/id eq 'String {1} Name Own' and ep/value eq 'it''s')"
    assert await wire.subjects(filter=marked) == ["Hello"]
