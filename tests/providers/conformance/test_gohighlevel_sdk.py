"""The vendor's own Python client, unmodified, against the served simulator."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.api import real_transport
from buddy.adapters.providers.base.errors import Captured
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.transport import ModeTransport
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.providers.gohighlevel.wire import READS
from buddy.model.mode import Mode

highlevel = pytest.importorskip(
    "highlevel", reason="gohighlevel-api-client is not installed (group conformance)"
)
failures = pytest.importorskip("highlevel.error")

Work = Callable[[Any, str], Awaitable[Any]]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Simulator, str]]:
    sim = simulator(6)
    with serving.running(sim) as url:
        yield sim, url


@pytest.fixture
def sim(served: tuple[Simulator, str]) -> Simulator:
    served[0].reset()
    served[0].layer.set(Faults())
    return served[0]


@pytest.fixture
def use(sim: Simulator, served: tuple[Simulator, str]) -> Callable[..., Any]:
    """Runs some work with the vendor's client, which is given the contacts service and the location."""
    url = served[1]
    greeting = sim.greeting(url)
    here = type("Here", (highlevel.HighLevel,), {"BASE_URL": url})

    def run(work: Work, transport: httpx.AsyncBaseTransport | None = None, **credentials: Any) -> Any:
        async def go() -> Any:
            client = here(**(credentials or {"private_integration_token": greeting["token"]}))
            if transport is not None:
                client.http_client._transport = transport
            try:
                return await work(client.contacts, greeting["location_id"])
            finally:
                await client.http_client.aclose()

        return asyncio.run(go())

    return run


def refused(work: Awaitable[Any]) -> Awaitable[tuple[int, Any]]:
    """The status and the body of the vendor's own error."""

    async def go() -> tuple[int, Any]:
        with pytest.raises(failures.GHLError) as failure:
            await work
        return failure.value.status_code, failure.value.response

    return go()


def test_a_contact_from_create_to_delete(use: Callable[..., Any], sim: Simulator) -> None:
    before = sim.digest()

    async def work(contacts: Any, location: str) -> None:
        made = (
            await contacts.create_contact(
                {"locationId": location, "email": "Ada@x.example", "firstName": "Ada"}
            )
        )["contact"]
        assert (await contacts.get_contact(made["id"]))["contact"]["email"] == "Ada@x.example"
        changed = await contacts.update_contact(
            made["id"], {"city": "Rome", "dndSettings": {"sms": {"status": "active"}}}
        )
        assert (changed["succeeded"], changed["contact"]["dndSettings"]["sms"]["status"]) == (True, "active")
        again = await contacts.upsert_contact(
            {"locationId": location, "email": "ada@x.example", "state": "AL"}
        )
        assert (again["new"], again["contact"]["id"], again["contact"]["city"]) == (False, made["id"], "Rome")
        new = await contacts.upsert_contact({"locationId": location, "email": "new@x.example"})
        assert new["new"]
        assert new["traceId"]
        assert (await contacts.get_duplicate_contact(location, email="ADA@x.example"))["contact"][
            "id"
        ] == made["id"]
        assert (await contacts.get_duplicate_contact(location, number="+1999"))["contact"] is None
        for one in (made["id"], new["contact"]["id"]):
            assert (await contacts.delete_contact(one))["succeeded"] is True

    use(work)
    assert sim.digest() == before


def test_an_advanced_search_with_filters_sorting_and_paging(use: Callable[..., Any], sim: Simulator) -> None:
    async def work(contacts: Any, location: str) -> None:
        asked = {
            "locationId": location,
            "pageLimit": 4,
            "filters": [
                {
                    "group": "OR",
                    "filters": [
                        {"field": "firstNameLowerCase", "operator": "eq", "value": "ada"},
                        {
                            "group": "AND",
                            "filters": [{"field": "email", "operator": "contains", "value": "hopper"}],
                        },
                        {"field": "lastNameLowerCase", "operator": "eq", "value": ["knuth", "turing"]},
                    ],
                }
            ],
            "sort": [{"field": "email", "direction": "asc"}],
        }
        seen: list[str] = []
        after = None
        while True:
            page = await contacts.search_contacts_advanced(
                {**asked, **({"searchAfter": after} if after else {})}
            )
            seen += [one["email"] for one in page["contacts"]]
            if len(page["contacts"]) < asked["pageLimit"]:
                break
            after = page["contacts"][-1]["searchAfter"]
        wanted = [
            one["email"]
            for one in sim.state()["contacts"]
            if one["firstName"] == "Ada" or "hopper" in one["email"] or one["lastName"] in ("Knuth", "Turing")
        ]
        assert len(wanted) > 4
        assert seen == sorted(wanted)
        assert page["total"] == len(wanted)
        paged = [await contacts.search_contacts_advanced({**asked, "page": number}) for number in (1, 2)]
        assert [one["email"] for page in paged for one in page["contacts"]] == seen[:8]

    use(work)


def test_everything_that_hangs_on_a_contact(use: Callable[..., Any], sim: Simulator) -> None:
    contact = sim.state()["contacts"][0]["id"]
    due = {"title": "call", "dueDate": "2026-11-25T11:00:00Z", "completed": False}

    async def work(contacts: Any, location: str) -> None:
        assert (await contacts.add_tags(contact, {"tags": ["x", "Y"]}))["tags"] == ["lead", "x", "y"]
        assert (await contacts.remove_tags(contact, {"tags": ["lead", "y"]}))["tags"] == ["x"]
        note = (await contacts.create_note(contact, {"body": "hello"}))["note"]
        assert (await contacts.update_note(contact, note["id"], {"body": "bye"}))["note"]["body"] == "bye"
        assert (await contacts.get_note(contact, note["id"]))["note"]["body"] == "bye"
        assert len((await contacts.get_all_notes(contact))["notes"]) == 1
        task = (await contacts.create_task(contact, due))["task"]
        assert (await contacts.update_task(contact, task["id"], {"title": "write"}))["task"][
            "title"
        ] == "write"
        done = await contacts.update_task_completed(contact, task["id"], {"completed": True})
        assert done["task"]["completed"] is True
        assert (await contacts.get_task(contact, task["id"]))["task"]["completed"] is True
        assert len((await contacts.get_all_tasks(contact))["tasks"]) == 1
        followed = await contacts.add_followers_contact(contact, {"followers": ["u-1"]})
        assert followed["followersAdded"] == ["u-1"]
        assert (await contacts.remove_followers_contact(contact, {"followers": ["u-1"]}))["followers"] == []
        assert (await contacts.add_contact_to_campaign(contact, "c-1", {}))["succeeded"]
        assert (await contacts.remove_contact_from_campaign(contact, "c-1"))["succeeded"]
        assert (await contacts.remove_contact_from_every_campaign(contact))["succeeded"]
        assert (await contacts.add_contact_to_workflow(contact, "w-1", {}))["succeeded"]
        assert (await contacts.delete_contact_from_workflow(contact, "w-1", {}))["succeeded"]
        assert (await contacts.get_appointments_for_contact(contact))["events"] == []
        business = {"locationId": location, "ids": [contact], "businessId": "b-1"}
        assert (await contacts.add_remove_contact_from_business(business))["success"] is True
        assert (await contacts.get_contacts_by_business_id("b-1", location))["count"] == 1
        bulk = {"contacts": [contact], "tags": ["z"], "locationId": location}
        status, body = await refused(contacts.create_association(bulk))  # it sends "{type}" as it stands
        assert (status, body["message"]) == (400, "type must be add or remove")
        assert (await contacts.delete_note(contact, note["id"]))["succeeded"]
        assert (await contacts.delete_task(contact, task["id"]))["succeeded"]

    use(work)


def test_errors_reach_the_caller_with_the_vendors_status_and_words(
    use: Callable[..., Any], sim: Simulator
) -> None:
    known = sim.state()["contacts"][0]

    async def work(contacts: Any, location: str) -> None:
        status, body = await refused(contacts.get_contact("nobody"))
        assert (status, body["message"]) == (400, "Contact with id nobody not found")
        status, body = await refused(
            contacts.create_contact({"locationId": location, "email": known["email"]})
        )
        assert (status, body["meta"]["contactId"], body["meta"]["matchingField"]) == (
            400,
            known["id"],
            "email",
        )
        status, body = await refused(contacts.create_contact({"locationId": location, "shoe": 1}))
        assert (status, body["message"]) == (422, ["property shoe should not exist"])
        status, _ = await refused(contacts.create_contact({"locationId": "another"}))
        assert status == 403

    use(work)

    async def unsigned(contacts: Any, location: str) -> None:
        status, body = await refused(contacts.get_contact(known["id"]))
        assert (status, body["error"]) == (401, "Unauthorized")

    use(unsigned, private_integration_token="wrong")


def test_the_limit_reaches_the_caller_who_does_not_wait(use: Callable[..., Any], sim: Simulator) -> None:
    async def work(contacts: Any, location: str) -> None:
        for _ in range(100):
            await contacts.get_duplicate_contact(location, email="a@b.example")
        status, _ = await refused(contacts.get_duplicate_contact(location, email="a@b.example"))
        assert status == 429

    use(work)


def test_the_guard_holds_under_the_vendors_client(use: Callable[..., Any], sim: Simulator) -> None:
    contact = sim.state()["contacts"][0]["id"]
    guard = ModeTransport(Mode.DRY_RUN, real=real_transport(), allow=READS)

    async def work(contacts: Any, location: str) -> int:
        assert (await contacts.get_contact(contact))["contact"]["id"] == contact
        assert (await contacts.search_contacts_advanced({"locationId": location, "pageLimit": 1}))[
            "total"
        ] == 25
        tried = [
            contacts.create_contact({"locationId": location, "email": "a@b.example"}),
            contacts.upsert_contact({"locationId": location, "email": "a@b.example"}),
            contacts.update_contact(contact, {"city": "Rome"}),
            contacts.delete_contact(contact),
            contacts.add_tags(contact, {"tags": ["x"]}),
            contacts.remove_tags(contact, {"tags": ["x"]}),
            contacts.create_note(contact, {"body": "x"}),
            contacts.create_task(contact, {"title": "x", "dueDate": "x", "completed": False}),
            contacts.add_contact_to_workflow(contact, "w", {}),
            contacts.create_association(
                "add", {"contacts": [contact], "tags": ["z"], "locationId": location}
            ),
        ]
        for one in tried:
            with pytest.raises(Captured):
                await one
        return len(tried)

    before = sim.digest()
    tried = use(work, guard)
    assert len(guard.captured) == tried
    assert sim.layer.counts.writes == 0
    assert sim.digest() == before


def test_faults_are_errors_of_the_vendors_client(use: Callable[..., Any], sim: Simulator) -> None:
    for kind, status in (("500", 500), ("503", 503), ("cut-before", None)):
        sim.layer.set(Faults(rates={kind: 1.0}))

        async def work(contacts: Any, location: str, status: int | None = status) -> None:
            assert (await refused(contacts.get_contact("x")))[0] == status

        use(work)
