import json
from typing import Any

import pytest

from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.gohighlevel.simulator.limits import DAY_S, Limit
from buddy.adapters.providers.gohighlevel.simulator.search import search
from buddy.adapters.providers.gohighlevel.simulator.shapes import phone
from providers.gohighlevel.wire import V3, Wire


@pytest.fixture
def wire() -> Wire:
    return Wire(contacts=0)


def test_a_contact_lives_from_its_creation_to_its_deletion(wire: Wire) -> None:
    made = wire.made(email="Ada@x.example", firstName="Ada", phone="(205) 555-0123", tags=[" Lead ", "lead"])
    path = f"/contacts/{made['id']}"
    seen = wire("GET", path).json()["contact"]
    assert (seen["email"], seen["emailLowerCase"], seen["phone"]) == (
        "Ada@x.example",
        "ada@x.example",
        "+12055550123",
    )
    assert seen["tags"] == ["lead"]
    changed = wire("PUT", path, {"lastName": "Lovelace", "firstName": None, "tags": []}).json()["contact"]
    assert "firstName" not in changed
    assert (changed["name"], changed["tags"], changed["id"]) == ("Lovelace", [], made["id"])
    assert wire("DELETE", path).json() == {"succeded": True}
    gone = wire("GET", path)
    assert (gone.status_code, gone.json()["message"]) == (400, f"Contact with id {made['id']} not found")
    assert wire("DELETE", path).status_code == 400


def test_the_dialects_differ_in_flags_and_keys() -> None:
    old = Wire(contacts=0)
    new = Wire(old.sim, V3)
    made = old.made(email="a@b.example", dndSettings={"SMS": {"status": "active"}})
    path = f"/contacts/{made['id']}"
    assert old("GET", path).json()["contact"]["dndSettings"] == {"SMS": {"status": "active"}}
    assert new("GET", path).json()["contact"]["dndSettings"] == {"sms": {"status": "active"}}
    assert new("PUT", path, {"city": "Rome"}).json()["succeeded"] is True
    assert old("PUT", path, {"city": "Rome"}).json()["succeded"] is True
    wrong = new("PUT", path, {"dndSettings": {"SMS": {"status": "active"}}})
    assert (wrong.status_code, wrong.json()["message"]) == (
        422,
        ["dndSettings.property SMS should not exist"],
    )
    assert new("GET", "/contacts/", params={"locationId": new.location}).status_code == 404


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"email": "a@b.example"}, "locationId must be a string"),
        ({"locationId": "L", "email": "not an email"}, "email must be an email"),
        ({"locationId": "L", "firstName": 1}, "firstName must be a string"),
        ({"locationId": "L", "tags": "x"}, "each value in tags must be a string"),
        ({"locationId": "L", "dnd": "yes"}, "dnd must be a boolean value"),
        ({"locationId": "L", "shoe": 44}, "property shoe should not exist"),
        ({"locationId": "L", "customFields": [{"value": 1}]}, "customFields must be"),
        ({"locationId": "L", "phone": "none"}, "phone must be a valid phone number"),
        ({"locationId": "L", "postalCode": None}, "postalCode must be a string"),
        ([], "the body must be an object"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_all_that_is_wrong(
    wire: Wire, body: Any, problem: str
) -> None:
    answer = wire("POST", "/contacts/", body)
    assert answer.status_code == 422
    assert any(problem in message for message in answer.json()["message"])
    assert answer.json()["error"] == "Unprocessable Entity"


def test_an_update_takes_no_location(wire: Wire) -> None:
    made = wire.made(email="a@b.example")
    answer = wire("PUT", f"/contacts/{made['id']}", {"locationId": wire.location})
    assert answer.json()["message"] == ["property locationId should not exist"]


@pytest.mark.parametrize(("field", "value"), [("email", "ADA@x.example"), ("phone", "205-555-0123")])
def test_no_two_contacts_share_an_email_or_a_phone(wire: Wire, field: str, value: str) -> None:
    first = wire.made(email="ada@x.example", phone="+12055550123", firstName="Ada")
    other = wire.made(email="b@x.example")
    for method, path, more in (
        ("POST", "/contacts/", {"locationId": wire.location}),
        ("PUT", f"/contacts/{other['id']}", {}),
    ):
        answer = wire(method, path, {field: value, **more})
        assert answer.status_code == 400
        assert answer.json() == {
            "statusCode": 400,
            "message": "This location does not allow duplicated contacts.",
            "meta": {"contactId": first["id"], "contactName": "Ada", "matchingField": field},
        }


def test_a_location_may_allow_duplicates() -> None:
    wire = Wire(contacts=0, allow_duplicates=True)
    assert wire.made(email="a@b.example")["id"] != wire.made(email="a@b.example")["id"]


def test_an_upsert_goes_by_email_and_then_by_phone(wire: Wire) -> None:
    one, two = wire.made(email="one@x.example"), wire.made(phone="+12055550100")

    def upsert(**fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = wire(
            "POST", "/contacts/upsert", {"locationId": wire.location, **fields}
        ).json()
        return found

    assert upsert(email="ONE@x.example", city="Rome")["contact"]["id"] == one["id"]
    assert upsert(phone="2055550100", city="Rome")["contact"]["id"] == two["id"]
    both = upsert(email="one@x.example", phone="2055550100")
    assert (both["new"], both["contact"]["id"], both["contact"].get("phone")) == (False, one["id"], None)
    new = upsert(email="three@x.example")
    assert new["new"]
    assert {one["id"], two["id"], new["contact"]["id"]} == {
        contact["id"] for contact in wire.sim.state()["contacts"]
    }


def test_own_fields_are_merged_by_id_and_cleared_by_an_empty_value(wire: Wire) -> None:
    made = wire.made(
        email="a@b.example",
        customFields=[{"id": "f1", "field_value": "x"}, {"key": "ein", "fieldValue": "7"}],
    )
    own = {entry["id"]: entry["value"] for entry in made["customFields"]}
    assert own["f1"] == "x"
    assert "7" in own.values()
    changed = wire("PUT", f"/contacts/{made['id']}", {"customFields": [{"id": "f1", "field_value": ""}]})
    assert [entry["value"] for entry in changed.json()["contact"]["customFields"]] == ["7"]


def test_a_duplicate_is_looked_for_by_email_and_by_number(wire: Wire) -> None:
    made = wire.made(email="ada@x.example", phone="+12055550123")
    for query in ({"email": "ADA@x.example"}, {"number": "+12055550123"}):
        found = wire("GET", "/contacts/search/duplicate", params={"locationId": wire.location, **query})
        assert found.json()["contact"]["id"] == made["id"]
    none = wire(
        "GET", "/contacts/search/duplicate", params={"locationId": wire.location, "email": "x@y.example"}
    )
    assert none.json() == {"contact": None}
    assert wire("GET", "/contacts/search/duplicate", params={"email": "x"}).status_code == 422
    assert wire("GET", "/contacts/search/duplicate", params={"locationId": "other"}).status_code == 403


@pytest.fixture
def people(wire: Wire) -> Wire:
    for number, (name, city, tags) in enumerate(
        [("ann", "Rome", ["a"]), ("bob", "Oslo", ["a", "b"]), ("cid", None, []), ("dan", "Rome", ["b"])]
    ):
        fields = {
            "email": f"{name}@x.example",
            "firstName": name.title(),
            "tags": tags,
            "phone": f"+4790000{number:03}",
        }
        wire.made(
            **fields,
            **({"city": city} if city else {}),
            customFields=[{"id": "n", "field_value": str(number)}],
        )
    return wire


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([{"field": "city", "operator": "eq", "value": "rome"}], "ann dan"),
        ([{"field": "city", "operator": "eq", "value": ["Rome", "Oslo"]}], "ann bob dan"),
        ([{"field": "city", "operator": "not_eq", "value": "Rome"}], "bob cid"),
        ([{"field": "city", "operator": "contains", "value": "sl"}], "bob"),
        ([{"field": "city", "operator": "not_contains", "value": "o"}], "cid"),
        ([{"field": "city", "operator": "exists"}], "ann bob dan"),
        ([{"field": "city", "operator": "not_exists"}], "cid"),
        ([{"field": "tags", "operator": "eq", "value": "b"}], "bob dan"),
        ([{"field": "tags", "operator": "not_exists"}], "cid"),
        ([{"field": "customFields.n", "operator": "range", "value": {"gte": "1", "lt": "3"}}], "bob cid"),
        ([{"field": "firstNameLowerCase", "operator": "eq", "value": "ann"}], "ann"),
        (
            [
                {"field": "tags", "operator": "eq", "value": "a"},
                {
                    "group": "OR",
                    "filters": [
                        {"field": "city", "operator": "eq", "value": "Oslo"},
                        {
                            "group": "AND",
                            "filters": [{"field": "email", "operator": "contains", "value": "ann"}],
                        },
                    ],
                },
            ],
            "ann bob",
        ),
        ([{"group": "OR", "filters": []}], ""),
    ],
)
def test_filters_and_groups(people: Wire, filters: list[Any], names: str) -> None:
    found = people.found(filters=filters, sort=[{"field": "email", "direction": "asc"}])
    assert found == [f"{name}@x.example" for name in names.split()]


def test_text_is_looked_for_in_name_email_and_phone(people: Wire) -> None:
    assert people.found(query="BOB") == ["bob@x.example"]
    assert people.found(query="90000003") == ["dan@x.example"]
    assert people.found(query="zzz") == []


def test_sorting_and_both_ways_of_paging_agree(people: Wire) -> None:
    sort = [{"field": "city", "direction": "desc"}, {"field": "email", "direction": "asc"}]
    everyone = people.found(sort=sort)
    assert everyone == [f"{name}@x.example" for name in ("ann", "dan", "bob", "cid")]
    assert [people.found(sort=sort, pageLimit=1, page=page)[0] for page in (1, 2, 3, 4)] == everyone
    assert people.found(sort=sort, pageLimit=1, page=5) == []
    seen, after = [], None
    while True:
        more = {"searchAfter": after} if after else {}
        body = {"locationId": people.location, "pageLimit": 1, "sort": sort, **more}
        page = people("POST", "/contacts/search", body).json()
        if not page["contacts"]:
            break
        assert page["total"] == 4
        seen.append(page["contacts"][0]["email"])
        after = page["contacts"][0]["searchAfter"]
    assert seen == everyone


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"pageLimit": 0}, 422),
        ({"pageLimit": 501}, 422),
        ({"pageLimit": True}, 422),
        ({"pageLimit": "20"}, 422),
        ({"page": 0}, 422),
        ({"query": "x" * 76}, 422),
        ({"query": 3}, 422),
        ({"filters": {}}, 422),
        ({"filters": ["x"]}, 422),
        ({"filters": [{"group": "XOR", "filters": []}]}, 422),
        ({"filters": [{"field": "shoe", "operator": "eq", "value": 1}]}, 400),
        ({"filters": [{"field": "city", "operator": "near", "value": 1}]}, 400),
        ({"filters": [{"field": "city", "operator": "range", "value": 1}]}, 422),
        ({"sort": [{"field": "shoe"}]}, 400),
        ({"sort": [{"field": "city", "direction": "up"}]}, 422),
        ({"searchAfter": "x"}, 422),
        ({"searchAfter": [1, "x"], "page": 1}, 400),
        ({"page": 101, "pageLimit": 100}, 400),
        ({"limit": 1}, 422),
        ({"locationId": "other"}, 403),
        ({"locationId": 7}, 422),
    ],
)
def test_a_search_that_does_not_fit_is_refused_also_where_there_is_nobody(
    wire: Wire, body: dict[str, Any], status: int
) -> None:
    whole = {"locationId": wire.location, "pageLimit": 20, **body}
    assert wire("POST", "/contacts/search", whole).status_code == status


def test_a_search_goes_on_behind_a_contact_that_was_deleted_meanwhile() -> None:
    contacts = [
        {"id": f"c{n}", "dateAdded": f"2026-01-0{n}T00:00:00.000Z", "customFields": []} for n in range(1, 6)
    ]
    page, _ = search(contacts, {"locationId": "L", "pageLimit": 2})
    assert [one["id"] for one in page] == ["c5", "c4"]
    left = [one for one in contacts if one["id"] != "c4"]
    rest, _ = search(left, {"locationId": "L", "pageLimit": 5, "searchAfter": page[-1]["searchAfter"]})
    assert [one["id"] for one in rest] == ["c3", "c2", "c1"]


def test_the_old_list_pages_by_its_own_links(wire: Wire) -> None:
    for number in range(5):
        wire.made(email=f"{number}@x.example")
    seen: list[str] = []
    path, query = "/contacts/", {"locationId": wire.location, "limit": 2}
    while True:
        page = wire("GET", path, params=query).json()
        seen += [contact["email"] for contact in page["contacts"]]
        assert page["count"] == 5
        if "nextPageUrl" not in page["meta"]:
            break
        query = {"locationId": wire.location, "limit": 2} | {
            k: page["meta"][k] for k in ("startAfter", "startAfterId")
        }
    assert seen == wire.found()
    assert wire("GET", path, params={"locationId": wire.location, "limit": 101}).status_code == 422
    assert [
        one["email"]
        for one in wire("GET", path, params={"locationId": wire.location, "query": "3@"}).json()["contacts"]
    ] == ["3@x.example"]


def test_the_index_lags_and_the_duplicate_search_does_not() -> None:
    now = [1_000_000.0]
    wire = Wire(contacts=0, faults=Faults(lag_s=5.0), now=lambda: now[0])
    wire.made(email="a@b.example")
    assert wire.found() == []
    found = wire(
        "GET", "/contacts/search/duplicate", params={"locationId": wire.location, "email": "a@b.example"}
    )
    assert found.json()["contact"]["email"] == "a@b.example"
    now[0] += 5.0
    assert wire.found() == ["a@b.example"]


def test_the_limit_is_a_sliding_window_with_the_vendors_headers() -> None:
    clock = [0.0]
    wire = Wire(contacts=1, limit=(3, 10.0), monotonic=lambda: clock[0])
    answers = []
    for at in (0.0, 4.0, 8.0, 9.0, 10.0, 11.0):
        clock[0] = at
        answers.append(wire("POST", "/contacts/search", {"locationId": wire.location, "pageLimit": 1}))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0", "0"]
    refused = answers[3]
    assert refused.json() == {"statusCode": 429, "message": "Too Many Requests"}
    assert refused.headers["X-RateLimit-Max"] == "3"
    assert refused.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert refused.headers["X-RateLimit-Limit-Daily"] == "200000"
    assert "Retry-After" not in refused.headers


def test_a_day_has_a_limit_too() -> None:
    clock = [0.0]
    limit = Limit(0, 1.0, daily=2, monotonic=lambda: clock[0])
    assert [limit.take() for _ in range(3)] == [True, True, False]
    clock[0] = DAY_S
    assert limit.take()


def test_tokens_have_scopes_and_a_refresh_token_works_once() -> None:
    now = [0.0]
    wire = Wire(contacts=0, now=lambda: now[0])
    reader = {"Authorization": f"Bearer {wire.greeting['read_only_token']}"}
    assert (
        wire("POST", "/contacts/search", {"locationId": wire.location, "pageLimit": 1}, reader).status_code
        == 200
    )
    refused = wire("POST", "/contacts/", {"locationId": wire.location}, reader)
    assert (refused.status_code, refused.json()["message"]) == (
        401,
        "The token is not authorized for this scope.",
    )
    app = wire.greeting["oauth"]
    form = {**app, "grant_type": "refresh_token"}
    first = wire("POST", "/oauth/token", data=form).json()
    signed = {"Authorization": f"Bearer {first['access_token']}"}
    assert wire("GET", "/contacts/x", headers=signed).status_code == 400
    assert wire("POST", "/oauth/token", data=form).status_code == 400, "the refresh token was used"
    camel = {"clientId": app["client_id"], "clientSecret": app["client_secret"], "grantType": "refresh_token"}
    second = wire("POST", "/oauth/token", {**camel, "refreshToken": first["refresh_token"]}, {"Version": V3})
    assert second.json()["tokenType"] == "Bearer"
    assert second.json()["expiresIn"] == 86_399
    now[0] += 86_399
    assert wire("GET", "/contacts/x", headers=signed).status_code == 401
    assert wire("POST", "/oauth/token", data={**form, "client_secret": "x"}).status_code == 401
    assert wire("POST", "/oauth/token", data={"grant_type": "password"}).status_code == 422


def test_state_comes_back_to_the_byte_and_knows_nothing_of_reads() -> None:
    wire = Wire()
    before = wire.sim.digest()
    assert len(wire.sim.state()["contacts"]) == 25
    made = wire.made(email="a@b.example")
    assert wire.sim.digest() != before
    wire("GET", f"/contacts/{made['id']}/notes")
    wire("DELETE", f"/contacts/{made['id']}")
    assert wire.sim.digest() == before
    wire.made(email="a@b.example")
    wire.sim.reset()
    assert [one["email"] for one in wire.sim.state()["contacts"]] == [
        one["email"] for one in Wire().sim.state()["contacts"]
    ]


def test_a_body_that_is_no_json_is_refused(wire: Wire) -> None:
    for content in (b"{", b"\xff", b"[" * 100_000):
        answer = wire("POST", "/contacts/", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert json.loads(answer.content)["statusCode"] == 400


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(205) 555-0123", "+12055550123"),
        ("+47 900 00 000", "+4790000000"),
        ("12055550123", "+12055550123"),
        ("", ""),
    ],
)
def test_phone_numbers_are_compared_in_one_form(text: str, number: str) -> None:
    assert phone(text) == number
