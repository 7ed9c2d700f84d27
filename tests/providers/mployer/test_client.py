"""The client's ways through the portal, the same in this process and in Chromium."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from buddy.adapters.providers.base.errors import (
    AuthError,
    InvalidRequest,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
from buddy.adapters.providers.gohighlevel.simulator.app import simulator as crm_simulator
from buddy.adapters.providers.mployer.selectors import VARIABLE, Selectors, load
from buddy.adapters.providers.mployer.simulator.portal import SEED_RATES
from buddy.adapters.providers.mployer.walk import Login
from buddy.model.mode import Mode
from providers.mployer.world import Place, in_chromium, in_process

Open = Callable[..., AbstractContextManager[Place]]
TEXAS = {"state": "Texas", "min_employees": 20}


@pytest.fixture(params=[in_process, in_chromium], ids=["in process", "in Chromium"])
def at(request: pytest.FixtureRequest) -> Open:
    return request.param  # type: ignore[no-any-return]


def test_from_the_sign_in_with_a_mailed_code_to_the_sign_out(at: Open) -> None:
    async def steps(place: Place) -> None:
        client = place.client()
        assert await client.login() == {"signed_in": True, "code": True}
        assert place.app.portal.accounts.signed_in == 1
        found = await client.search_contacts(TEXAS)
        assert 3 <= found["total"] == len(found["contacts"]) <= 10
        known = await client.extract_contacts(found)
        assert known == await client.extract_contacts(), "the last search is meant where none is named"
        expected = place.app.portal.world.search(_filters(place, TEXAS))
        assert [one["email"] for one in known["contacts"]] == [person.email for _, person in expected]
        assert [one["name"] for one in found["contacts"]] == [
            f"{person.first_name} {person.last_name}" for _, person in expected
        ]
        assert known["contacts"][0]["employees"] == expected[0][0].employees
        assert await client.logout() == {"signed_in": False, "was": True}
        assert await client.logout() == {"signed_in": False, "was": False}
        assert place.app.portal.accounts.signed_in == 0

    with at(codes=True) as place:
        asyncio.run(steps(place))
        assert place.app.layer.counts.writes == 0, "signing in and out writes nothing"


def test_it_signs_in_by_itself_and_again_where_a_session_has_ended(at: Open) -> None:
    async def steps(place: Place) -> None:
        client = place.client()
        first = await client.search_contacts(TEXAS)
        place.app.portal.accounts.expire()
        assert await client.search_contacts(TEXAS) == first
        assert place.app.layer.counts.by["POST /login/password"] == 2

    with at() as place:
        asyncio.run(steps(place))


def test_what_the_portal_refuses_is_said_in_its_words() -> None:
    async def steps(place: Place) -> None:
        client = place.client()
        for filters, words in (
            ({"ein": "x"}, "nine digits"),
            ({"min_employees": 9, "max_employees": 3}, "larger than maximum"),
            ({"state": "Texxas"}, "expected an option of the field 'State'"),
            ({"stat": "Texas"}, "expected a filter of min_employees"),
            ({"city": 3.5}, "expected a text or a whole number for city"),
        ):
            with pytest.raises(InvalidRequest, match=words):
                await client.search_contacts(filters)
        assert (await client.search_contacts(ein="00-0000000"))["contacts"] == []
        wrong = place.client(login=Login(username="x", password="canary-word"))
        await client.logout()
        with pytest.raises(AuthError, match="is not right") as refused:
            await wrong.login()
        assert "canary" not in str(refused.value) + repr(refused.value.raw)

    with in_process() as place:
        asyncio.run(steps(place))


def test_a_busy_portal_is_waited_for_as_long_as_it_asks() -> None:
    async def steps(place: Place) -> None:
        client = place.client()
        await client.login()
        place.app.layer.set(Faults(rates={"429": 0.3}, seed=1))
        expected = await client.search_contacts(TEXAS)
        assert place.app.layer.counts.faults["429"] > 0
        assert set(place.clock.slept) == {2.0}
        place.app.layer.set(Faults())
        assert await client.search_contacts(TEXAS) == expected
        place.app.layer.set(Faults(rates={"429": 1.0}))
        before = place.app.layer.counts.requests
        with pytest.raises(RateLimited) as busy:
            await client.search_contacts(TEXAS)
        assert busy.value.retry_after == 2.0
        assert place.app.layer.counts.requests - before <= 6

    with in_process() as place:
        asyncio.run(steps(place))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", AuthError),
        ("503", ProviderUnavailable),
        ("504", ProviderTimeout),
        ("cut-before", ProviderUnavailable),
    ],
)
def test_each_fault_is_what_it_is(kind: str, error: type[Exception]) -> None:
    async def steps(place: Place) -> None:
        place.app.layer.set(Faults(rates={kind: 1.0}))
        with pytest.raises(error):
            await place.client().search_contacts(TEXAS)

    with in_process() as place:
        asyncio.run(steps(place))


def test_the_seeds_faults_do_not_stop_a_session() -> None:
    async def steps(place: Place) -> int:
        client = place.client()
        expected = await client.search_contacts(TEXAS)
        place.app.layer.set(Faults(rates=SEED_RATES, seed=2))
        same = 0
        for _ in range(10):
            await client.logout()
            await client.login()
            same += await client.search_contacts(TEXAS) == expected
        assert place.app.layer.counts.faults.keys() == SEED_RATES.keys()
        return same

    with in_process() as place:
        assert asyncio.run(steps(place)) == 10


def test_a_code_that_cannot_be_had_is_said() -> None:
    async def steps(place: Place) -> None:
        with pytest.raises(AuthError, match="no mailbox"):
            await place.client(mailbox=None).login()
        place.box.lost = True
        with pytest.raises(ProviderTimeout, match="did not arrive"):
            await place.client().login()

    with in_process(codes=True) as place:
        asyncio.run(steps(place))


def test_a_portal_that_has_changed_is_noticed() -> None:
    async def steps(place: Place) -> None:
        other = Selectors(columns={"name": "Person", "location": "Location"})
        with pytest.raises(ProviderUnavailable, match="the table to have Person"):
            await place.client(selectors=other).search_contacts(TEXAS)
        other = Selectors(log_out="Leave", code="Pin")
        with pytest.raises(ProviderUnavailable, match="expected 'Leave' or 'Pin' after signing in"):
            await place.client(selectors=other).login()

    with in_process() as place:
        asyncio.run(steps(place))


def test_the_names_of_the_portal_can_be_replaced_without_code(tmp_path: Any) -> None:
    file = tmp_path / "names.json"
    file.write_text('{"version": "mine", "search": "Find"}')
    assert load({VARIABLE: str(file)}).search == "Find"
    file.write_text('{"serch": "Find"}')
    with pytest.raises(InvalidRequest, match="serch"):
        load({VARIABLE: str(file)})
    with pytest.raises(InvalidRequest, match="nothing"):
        load({VARIABLE: str(tmp_path / "nothing")})
    assert load({}) == Selectors()


def test_contacts_are_handed_over_once() -> None:
    crm = crm_simulator(3, limit=(0, 1.0))

    async def steps(place: Place) -> None:
        client = place.client(contacts=GoHighLevelClient(mode=Mode.MOCK, simulator=crm))
        people = (await client.extract_contacts(await client.search_contacts(TEXAS)))["contacts"]
        before = crm.digest()
        first = await client.add_to_gohighlevel(people, "ours")
        assert len(first["created"]) == len(people)
        again = await client.add_to_gohighlevel(people, "ours")
        assert again == first, "made again, the call finds what it made"
        others = await client.add_to_gohighlevel(people, "others")
        assert others == {"created": [], "existing": first["created"]}
        await client.take_back(first["created"])
        assert crm.digest() == before

    with in_process() as place:
        asyncio.run(steps(place))


def test_a_contact_that_is_refused_takes_back_those_before_it() -> None:
    crm = crm_simulator(3, limit=(0, 1.0))

    async def steps(place: Place) -> None:
        client = place.client(contacts=GoHighLevelClient(mode=Mode.MOCK, simulator=crm))
        people = (await client.extract_contacts(await client.search_contacts(TEXAS)))["contacts"]
        before = crm.digest()
        with pytest.raises(InvalidRequest):
            await client.add_to_gohighlevel([*people, {**people[0], "email": "no address"}])
        assert crm.digest() == before

    with in_process() as place:
        asyncio.run(steps(place))


def test_what_cannot_be_taken_back_is_not_called_nothing() -> None:
    class Stubborn(GoHighLevelClient):
        async def delete_contact(self, contact_id: str) -> bool:
            raise ProviderUnavailable("down")

    crm = crm_simulator(3, limit=(0, 1.0))

    async def steps(place: Place) -> None:
        client = place.client(contacts=Stubborn(mode=Mode.MOCK, simulator=crm))
        person = {"email": "ada@novak.example", "first_name": "Ada"}
        with pytest.raises(Uncertain):
            await client.add_to_gohighlevel([person, {"email": "no address"}])

    with in_process() as place:
        asyncio.run(steps(place))


def test_the_sync_face_does_the_same() -> None:
    with in_process() as place:
        client = place.client().sync
        assert client.login()["signed_in"]
        assert client.extract_contacts(client.search_contacts(TEXAS))["total"] >= 3


def _filters(place: Place, filters: dict[str, Any]) -> Any:
    from buddy.adapters.providers.mployer.simulator.filters import parse

    return parse({name: str(value) for name, value in filters.items()}, place.app.portal.world.states)[0]
