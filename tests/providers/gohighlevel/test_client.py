import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import buddy
from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.api import Bearer
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, Captured, Conflict, InvalidRequest, NotFound
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.gohighlevel.client import Account, GoHighLevelClient, account
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.providers.gohighlevel.wire import meaning
from buddy.model.mode import Mode
from providers.gohighlevel.wire import OLD, V3


@pytest.fixture(params=[OLD, V3])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Simulator, GoHighLevelClient]]:
    sim = simulator(5, limit=(0, 1.0))
    with serving.running(sim) as url:
        greeting = sim.greeting(url)
        known = Account(
            base_url=url,
            location_id=greeting["location_id"],
            auth=Bearer(greeting["token"]),
            version=request.param,
        )
        yield sim, GoHighLevelClient(known)


def test_every_method_over_a_real_wire(served: tuple[Simulator, GoHighLevelClient]) -> None:
    sim, client = served
    before = sim.digest()

    async def go() -> None:
        async with client:
            made = await client.create_contact(email="ada@x.example", first_name="Ada", company_name="Works")
            assert (await client.get_contact(made["id"]))["companyName"] == "Works"
            assert [one["id"] for one in await client.search_contact(email="ADA@x.example")] == [made["id"]]
            changed = await client.update_contact(made["id"], city="Rome", first_name=None)
            assert (changed["city"], changed.get("firstName")) == ("Rome", None)
            again = await client.upsert_contact(email="ada@x.example", phone="2055550199")
            assert (again["new"], again["contact"]["id"]) == (False, made["id"])
            both = await client.search_contact(email="ada@x.example", phone="+12055550199")
            assert len(both) == 1
            everyone = [one async for one in client.list_contacts()]
            assert (len(everyone), "searchAfter" in everyone[0]) == (26, False)
            assert len([one async for one in client.list_contacts(limit=7)]) == 7
            filters = [{"field": "city", "operator": "eq", "value": "Rome"}]
            assert [one["id"] async for one in client.list_contacts(filters=filters)] == [made["id"]]
            assert await client.test_connection() == {
                "ok": True,
                "location_id": client.account.location_id,
                "contacts": 26,
            }
            with pytest.raises(Conflict, match=f"Contact {made['id']} has the same email"):
                await client.create_contact(email="ada@x.example")
            assert await client.delete_contact(made["id"])
            with pytest.raises(NotFound):
                await client.get_contact(made["id"])

    asyncio.run(go())
    assert sim.digest() == before


def test_pages_beyond_one(served: tuple[Simulator, GoHighLevelClient]) -> None:
    sim, client = served
    for number in range(230):
        sim_make(sim, number)
    found = client.sync.list_contacts()
    assert len({one["id"] for one in found}) == 255
    assert sim.layer.counts.by["POST /contacts/search"] == 3


def sim_make(sim: Simulator, number: int) -> None:
    client = GoHighLevelClient(mode=Mode.MOCK, simulator=sim)
    client.sync.create_contact(email=f"{number}@many.example")
    sim.layer.counts.by.clear()


def test_the_sync_face_works_with_and_without_a_loop_around_it() -> None:
    client = GoHighLevelClient(mode=Mode.MOCK)
    made = client.sync.create_contact(email="a@b.example")

    async def within() -> Any:
        return client.sync.get_contact(made["id"])

    assert asyncio.run(within())["email"] == "a@b.example"
    with pytest.raises(NotFound):
        client.sync.get_contact("nobody")


def test_modes_of_one_client() -> None:
    sim = simulator(1, limit=(0, 1.0))
    live = GoHighLevelClient(mode=Mode.LIVE, simulator=sim)
    dry = live.bound(Mode.DRY_RUN)
    made = live.sync.create_contact(email="a@b.example")
    assert dry.sync.get_contact(made["id"])["email"] == "a@b.example"
    with pytest.raises(Captured) as stopped:
        dry.sync.delete_contact(made["id"])
    assert stopped.value.request.method == "DELETE"
    assert sim.layer.counts.by[f"DELETE /contacts/{made['id']}"] == 0


def test_odd_ids_stay_within_their_segment() -> None:
    client = GoHighLevelClient(mode=Mode.MOCK)
    for odd in ("", ".", "..", "a/b", "../search", "a?b", "ü", "%2e%2e"):
        with pytest.raises(NotFound):
            client.sync.get_contact(odd)


def test_unknown_fields_are_refused_before_anything_is_sent() -> None:
    sim = simulator(1)
    with pytest.raises(InvalidRequest, match="found shoe"):
        GoHighLevelClient(mode=Mode.MOCK, simulator=sim).sync.create_contact(shoe=44)
    with pytest.raises(InvalidRequest, match="neither"):
        GoHighLevelClient(mode=Mode.MOCK, simulator=sim).sync.search_contact()
    assert sim.layer.counts.requests == 0


def test_without_credentials_both_kinds_begin_with_what_is_missing() -> None:
    with pytest.raises(AuthError) as failure:
        account(Access(environ={}))
    assert "BUDDY_GOHIGHLEVEL_TOKEN" in str(failure.value)
    with pytest.raises(AuthError, match="LOCATION_ID"):
        account(Access(environ={"BUDDY_GOHIGHLEVEL_TOKEN": "t"}))


def test_an_oauth_app_signs_in_rotates_and_goes_on_after_its_token_is_refused(tmp_path: Path) -> None:
    now = [0.0]
    sim = simulator(5, now=lambda: now[0])
    with serving.running(sim) as url:
        greeting = sim.greeting(url)
        app = greeting["oauth"]
        environ = {f"BUDDY_GOHIGHLEVEL_{name.upper()}": value for name, value in app.items()}
        environ |= {
            "BUDDY_GOHIGHLEVEL_LOCATION_ID": greeting["location_id"],
            "BUDDY_GOHIGHLEVEL_BASE_URL": url,
        }
        access = Access(environ=environ, folder=tmp_path)
        client = GoHighLevelClient(account(access))
        client.sync.create_contact(email="a@b.example")
        now[0] += 90_000.0  # the service lets the token expire; this machine's clock knows nothing of it
        client.sync.create_contact(email="b@b.example")
        assert sim.layer.counts.by["POST /oauth/token"] == 2
        assert sim.layer.counts.by["POST /contacts/"] == 3
        again = GoHighLevelClient(
            account(access), mode=Mode.DRY_RUN
        )  # another process: the rotated token counts
        assert again.sync.test_connection()["ok"]
        assert sim.layer.counts.by["POST /oauth/token"] == 2


def test_the_factory_gives_a_simulator_under_dry_run_and_needs_credentials_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path))
    for name in ("TOKEN", "LOCATION_ID"):
        monkeypatch.delenv(f"BUDDY_GOHIGHLEVEL_{name}", raising=False)
    monkeypatch.setenv("DRY_RUN", "true")
    client = buddy.get_gohighlevel_client()
    made = client.sync.create_contact(email="a@b.example")
    assert client.sync.search_contact(email="a@b.example")[0]["id"] == made["id"]
    monkeypatch.setenv("DRY_RUN", "")
    with pytest.raises(AuthError, match="BUDDY_GOHIGHLEVEL_TOKEN"):
        buddy.get_gohighlevel_client()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Contact with id x not found", NotFound),
        ("Contact not found", NotFound),
        ("Location with id y not found", InvalidRequest),
        ("Custom field with id z not found", InvalidRequest),
    ],
)
def test_only_an_unknown_contact_is_a_contact_that_is_gone(words: str, kind: type[Exception]) -> None:
    assert meaning(400, {"statusCode": 400, "message": words})[0] is kind
