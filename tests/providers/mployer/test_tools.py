"""The portal's tools as the catalogue offers them: undo, probe, credentials, and who may be asked."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import buddy
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, Captured, InvalidRequest
from buddy.adapters.providers.base.rehearsal import Rehearsal
from buddy.adapters.providers.base.serving import running
from buddy.adapters.providers.base.tools import PLACEHOLDER, Asked
from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
from buddy.adapters.providers.gohighlevel.simulator import app as crm
from buddy.adapters.providers.mployer import account, health
from buddy.adapters.providers.mployer.client import MployerClient
from buddy.adapters.providers.mployer.contracts import OFFERS
from buddy.adapters.providers.mployer.mailbox import GraphMailbox
from buddy.adapters.providers.mployer.operations import OPERATIONS
from buddy.adapters.providers.mployer.portal import InProcessPortal
from buddy.adapters.providers.mployer.simulator.portal import mail_to, simulator
from buddy.adapters.providers.mployer.walk import Login
from buddy.adapters.providers.msgraph.account import simulated as mailbox_of
from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from buddy.core.schemas import checker
from buddy.errors import BadInput, ChangedSince
from buddy.model.mode import Mode
from providers.browser import site

PEOPLE = [
    {"email": f"{name}@novak.example", "first_name": name.title(), "company": "Novak Freight"}
    for name in ("ada", "ben", "cleo")
]
ADD = OPERATIONS["mployer.add_to_gohighlevel"]


def client_of(books: Any, mode: Mode = Mode.MOCK) -> MployerClient:
    app = simulator()
    login = Login(username=app.portal.login.username, password=app.portal.login.password)
    contacts = GoHighLevelClient(mode=mode, simulator=books)
    return MployerClient(InProcessPortal(app), login, contacts=contacts)


def asked(**args: Any) -> Asked:
    return Asked(args=args or {"contacts": PEOPLE}, mode=Mode.LIVE, key="k1", run="r1")


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.contract.name)
def test_an_offer_is_honest_about_itself(offer: Any) -> None:
    operation = OPERATIONS[offer.contract.name]
    assert ("undo" in offer.handlers) == (operation.undo is not None)
    assert ("probe" in offer.handlers) == (operation.probe is not None)
    assert ("preview" in offer.handlers) == (operation.describe is not None)
    assert checker(offer.contract.output)(offer.contract.example) == ""


def test_handing_contacts_over_is_undone_to_the_byte() -> None:
    books = crm.simulator(limit=(0, 1.0))
    client = client_of(books)

    async def steps() -> None:
        assert ADD.undo
        assert ADD.probe
        before = books.digest()
        assert await ADD.probe(client, asked()) is False
        result = await ADD.act(client, asked())
        assert await ADD.probe(client, asked()) is True
        assert await ADD.act(client, asked()) == result, "made again, the call knows its own"
        restored = await ADD.undo(client, asked(), result)
        assert (restored.verified, books.digest()) == (True, before)

    asyncio.run(steps())


@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_an_undo_leaves_alone_what_others_changed(how: str) -> None:
    books = crm.simulator(limit=(0, 1.0))
    client = client_of(books)
    others = GoHighLevelClient(mode=Mode.MOCK, simulator=books)

    async def steps() -> None:
        assert ADD.undo
        result = await ADD.act(client, asked())
        if how == "changed":
            await others.update_contact(result["created"][1], first_name="Benjamin")
        else:
            await others.delete_contact(result["created"][1])
        before = books.digest()
        with pytest.raises(ChangedSince, match="1 of 3 contacts"):
            await ADD.undo(client, asked(), result)
        assert books.digest() == before

    asyncio.run(steps())


def test_a_preview_lists_those_that_are_not_there_yet() -> None:
    books = crm.simulator(limit=(0, 1.0))
    client = client_of(books)

    async def steps() -> Any:
        assert ADD.describe
        there = await GoHighLevelClient(mode=Mode.MOCK, simulator=books).create_contact(
            email=PEOPLE[1]["email"]
        )
        changes, result = await ADD.describe(client, asked(), None)  # type: ignore[arg-type]
        assert result["existing"] == [there["id"]]
        return [change.resource for change in changes]

    assert asyncio.run(steps()) == ["contact:ada@novak.example", "contact:cleo@novak.example"]


def test_a_rehearsal_sees_each_contact_that_would_be_filed_and_files_none() -> None:
    books = crm.simulator(limit=(0, 1.0))
    client, before = client_of(books, Mode.DRY_RUN), books.digest()
    assert ADD.stand_in
    rehearsal = Rehearsal(partial(ADD.stand_in, asked()))

    async def steps() -> Any:
        with rehearsal.going_on():
            return await ADD.act(client, asked())

    told = asyncio.run(steps())
    assert [request.body["email"] for request in rehearsal.stopped] == [one["email"] for one in PEOPLE]
    assert told["created"] == [f"{PLACEHOLDER}{one['email']}" for one in PEOPLE]
    assert books.digest() == before
    with pytest.raises(Captured):
        asyncio.run(ADD.act(client, asked()))


def test_a_client_without_a_crm_says_so() -> None:
    app = simulator()
    client = MployerClient(InProcessPortal(app), Login(username="a", password="b"))
    with pytest.raises(InvalidRequest, match="GoHighLevel"):
        client.sync.add_to_gohighlevel(PEOPLE)


def test_missing_credentials_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path))
    for name in ("BASE_URL", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"BUDDY_MPLOYER_{name}", raising=False)
    monkeypatch.setenv("BUDDY_MPLOYER_USERNAME", "dana")
    monkeypatch.delenv("DRY_RUN", raising=False)
    with pytest.raises(AuthError) as missing:
        buddy.get_mployer_client()
    assert "BUDDY_MPLOYER_BASE_URL" in str(missing.value)
    assert "BUDDY_MPLOYER_PASSWORD" in str(missing.value)
    assert "USERNAME" not in str(missing.value)


def test_the_seeds_switch_gives_a_simulated_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    mployer = buddy.get_mployer_client().sync
    assert mployer.login()["signed_in"]
    found = mployer.search_contacts({"industry": "Healthcare", "state": "CA", "min_employees": 50})
    assert 3 <= found["total"] <= 10
    people = mployer.extract_contacts()["contacts"]
    assert len(mployer.add_to_gohighlevel(people)["created"]) == len(people)
    assert mployer.logout()["was"]


def test_codes_are_read_in_a_mailbox_of_graph() -> None:
    graph = GraphSimulator()
    box = GraphMailbox(mailbox_of(graph))

    async def deliver(mailbox: str, subject: str, body: str) -> None:
        graph.deliver(graph.greeting("")["mailbox"], subject, body)

    app = simulator(deliver=deliver)
    login = Login(username=app.portal.login.username, password=app.portal.login.password)
    client = MployerClient(InProcessPortal(app), login, mailbox=box)

    async def steps() -> None:
        before = graph.digest()
        for _ in range(2):
            assert await client.login() == {"signed_in": True, "code": True}
            await client.logout()
        assert len(await box.codes()) == 2
        assert graph.digest() != before
        after = graph.digest()
        await box.codes()
        assert graph.digest() == after, "reading marks nothing as read"

    asyncio.run(steps())


def test_codes_can_be_mailed_to_a_mailbox_that_is_served_elsewhere() -> None:
    graph = GraphSimulator()
    own = graph.greeting("")["mailbox"]
    with running(graph) as base_url:
        asyncio.run(
            mail_to(f"{base_url}/_sim/deliver?mailbox={own}")("x@y.example", "Your sign-in code", "123456")
        )
    assert list(asyncio.run(GraphMailbox(mailbox_of(graph)).codes()).values()) == ["123456"]
    for wrong in ("nowhere", "file:///x", ""):
        with pytest.raises(BadInput, match="--codes-to"):
            mail_to(wrong)


def test_the_check_signs_in_and_out_and_says_what_is_wrong(tmp_path: Path) -> None:
    site.chromium()
    app = simulator()
    with running(app) as base_url:
        known = {"BUDDY_MPLOYER_BASE_URL": base_url, "BUDDY_MPLOYER_USERNAME": app.portal.login.username}
        right = {**known, "BUDDY_MPLOYER_PASSWORD": app.portal.login.password}
        wrong = {**known, "BUDDY_MPLOYER_PASSWORD": "canary-word"}
        well = asyncio.run(health.check(Access(environ=right, folder=tmp_path)))
        assert (well.well, well.reachable, well.token_valid) == (True, True, True)
        assert app.portal.accounts.signed_in == 0
        refused = asyncio.run(health.check(Access(environ=wrong, folder=tmp_path)))
        assert (refused.reachable, refused.token_valid) == (True, False)
        assert "canary" not in refused.problem
    away = asyncio.run(health.check(Access(environ=right, folder=tmp_path)))
    assert (away.configured, away.reachable) == (True, False)
    nothing = asyncio.run(health.check(Access(environ={}, folder=tmp_path)))
    assert not nothing.configured


def test_a_password_is_in_no_text_of_its_holder() -> None:
    login = Login(username="dana", password="canary-word")
    assert "canary" not in f"{login} {login!r} {account.Account(base_url='x', login=login)!r}"


def test_a_call_that_was_cut_off_in_its_middle_cannot_be_told() -> None:
    books = crm.simulator(limit=(0, 1.0))
    client = client_of(books)

    async def steps() -> None:
        assert ADD.probe
        await ADD.act(client, asked(contacts=PEOPLE[:1]))
        assert await ADD.probe(client, asked()) is None

    asyncio.run(steps())
