"""The tools over a served simulator: what they do, preview, undo and find out."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.errors import Conflict, NotFound
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.tools import Asked
from buddy.adapters.providers.gohighlevel.contracts import OFFERS
from buddy.adapters.providers.gohighlevel.operations import OPERATIONS
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.tools.decorator import Tool
from buddy.core import catalogue
from buddy.errors import ChangedSince
from buddy.model.mode import Mode
from buddy.model.outcome import Preview, Restored
from providers.desk import call_of, context, environment, tools

WRITES = [offer.contract.name for offer in OFFERS if offer.contract.writes]


class Desk:
    """The tools, and the service that they act on."""

    def __init__(self, sim: Simulator, tools: dict[str, Tool]) -> None:
        self.sim, self._tools = sim, tools

    def tool(self, name: str) -> Tool:
        return self._tools[f"gohighlevel.{name}"]

    def do(self, name: str, /, key: str = "key-1", **args: Any) -> Any:
        tool = self.tool(name)
        assert tool.check(args) == ""
        result = asyncio.run(tool.live(args, context(Mode.LIVE, key)))
        assert tool.check_result(result) == ""
        return result

    def preview(self, name: str, /, **args: Any) -> Preview:
        found = asyncio.run(self.tool(name).preview(args, context(Mode.DRY_RUN)))
        assert isinstance(found, Preview)
        return found

    def undo(self, name: str, result: Any, /, key: str = "key-1", **args: Any) -> Restored:
        found = asyncio.run(self.tool(name).undo(call_of(f"gohighlevel.{name}", args, key), result))
        assert isinstance(found, Restored)
        return found

    def probe(self, name: str, /, key: str = "key-1", **args: Any) -> Any:
        return asyncio.run(self.tool(name).probe(call_of(f"gohighlevel.{name}", args, key)))

    def contacts(self) -> list[dict[str, Any]]:
        """What is stored, without the time of the last change."""
        state = self.sim.state()["contacts"]
        return [{key: value for key, value in one.items() if key != "dateUpdated"} for one in state]

    def writes(self) -> int:
        return self.sim.layer.counts.writes


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    sim = simulator(9, contacts=3, limit=(0, 1.0))
    with serving.running(sim) as url:
        yield Desk(sim, tools(environment(sim, url, tmp_path_factory.mktemp("home"))))


@pytest.fixture
def desk(served: Desk) -> Desk:
    served.sim.reset()
    return served


def test_the_contracts_hold_together_and_every_offer_has_its_operation() -> None:
    contracts = [offer.contract for offer in OFFERS]
    problems, warnings = catalogue.validate(contracts, {o.contract.name: o.handlers for o in OFFERS})
    assert (problems, warnings) == ((), ())
    assert OPERATIONS.keys() == {contract.name for contract in contracts}
    for offer in OFFERS:
        operation = OPERATIONS[offer.contract.name]
        assert (operation.undo is not None) == ("undo" in offer.handlers)
        assert (operation.probe is not None) == ("probe" in offer.handlers)
        assert ("preview" in offer.handlers) == offer.contract.writes


CALLS: dict[str, dict[str, Any]] = {
    "create_contact": {"email": "new@x.example", "first_name": "New", "tags": ["a"]},
    "upsert_contact": {"email": "new@x.example", "city": "Rome"},
    "update_contact": {"contact_id": "ocQHyuzHvysMo5N5VsXc", "city": "Rome"},
    "delete_contact": {"contact_id": "ocQHyuzHvysMo5N5VsXc"},
    "get_contact": {"contact_id": "ocQHyuzHvysMo5N5VsXc"},
    "search_contact": {"email": "ada.lovelace@example.com"},
    "list_contacts": {"limit": 3},
    "test_connection": {},
}


@pytest.mark.parametrize("name", CALLS)
def test_mock_gives_what_the_service_would_with_nothing_configured(name: str) -> None:
    tool = tools({})[f"gohighlevel.{name}"]
    results = [asyncio.run(tool.mock(CALLS[name], context(Mode.MOCK, key))) for key in ("k", "k", "other")]
    assert results[0] == results[1]
    assert tool.check_result(results[0]) == ""
    if name == "create_contact":
        assert results[0]["contact"]["email"] == "new@x.example"
        assert results[0]["contact"]["id"] != results[2]["contact"]["id"]


@pytest.mark.parametrize("name", [name.partition(".")[2] for name in WRITES])
def test_a_preview_is_the_request_that_live_sends(desk: Desk, name: str) -> None:
    args = dict(CALLS[name])
    if "contact_id" in args:
        args["contact_id"] = desk.contacts()[0]["id"]
    preview = desk.preview(name, **args)
    assert desk.writes() == 0
    [change] = preview.changes
    assert preview.available
    assert change["resource"].startswith("contact:")
    desk.do(name, **args)
    [(method, path, _)] = [
        entry for entry in desk.sim.layer.counts.log if entry[0] != "GET" and entry[1] != "/contacts/search"
    ]
    sent = change["request"]
    assert (sent["method"], sent["url"].partition("://")[2].partition("/")[2]) == (method, path[1:])
    assert msgspec.json.decode(msgspec.json.encode(preview), type=Preview) == preview


def test_a_preview_says_what_was_and_what_would_be(desk: Desk) -> None:
    known = desk.contacts()[0]
    update = desk.preview("update_contact", contact_id=known["id"], city="Rome", website="https://x.example")
    assert update.changes[0]["before"] == {"city": "Birmingham", "website": None}
    assert update.changes[0]["after"] == {"city": "Rome", "website": "https://x.example"}
    assert update.result["contact"]["city"] == "Rome"
    delete = desk.preview("delete_contact", contact_id=known["id"])
    assert delete.changes[0]["before"]["email"] == known["email"]
    assert "after" not in delete.changes[0]
    upsert = desk.preview("upsert_contact", email=known["email"].upper(), city="Rome")
    assert (upsert.result["new"], upsert.result["contact"]["id"]) == (False, known["id"])
    assert upsert.changes[0]["before"] == {"email": known["email"], "city": "Birmingham"}


def test_a_preview_fails_where_the_act_would(desk: Desk) -> None:
    with pytest.raises(Conflict):
        desk.preview("create_contact", email=desk.contacts()[0]["email"])
    for name in ("update_contact", "delete_contact"):
        with pytest.raises(NotFound):
            desk.preview(name, contact_id="nobody")


def test_a_preview_of_what_an_earlier_step_has_not_made_yet_reads_nothing(desk: Desk) -> None:
    made = desk.preview("create_contact", **CALLS["create_contact"]).result["contact"]["id"]
    asked = desk.sim.layer.counts.requests
    assert desk.preview("update_contact", contact_id=made, city="Rome").changes[0]["after"] == {
        "city": "Rome"
    }
    assert desk.preview("delete_contact", contact_id=made).changes[0]["request"]["method"] == "DELETE"
    assert desk.sim.layer.counts.requests == asked
    with pytest.raises(NotFound):
        desk.do("update_contact", contact_id=made, city="Rome")


# undo


def test_a_created_contact_is_deleted_again(desk: Desk) -> None:
    before = desk.sim.digest()
    result = desk.do("create_contact", **CALLS["create_contact"])
    assert desk.undo("create_contact", result, **CALLS["create_contact"]) == Restored(verified=True)
    assert desk.sim.digest() == before
    assert desk.undo("create_contact", result, **CALLS["create_contact"]) == Restored(verified=True)


@pytest.mark.parametrize("name", ["create_contact", "upsert_contact"])
def test_a_created_contact_that_somebody_changed_is_left_alone(desk: Desk, name: str) -> None:
    result = desk.do(name, **CALLS[name])
    desk.do("update_contact", contact_id=result["contact"]["id"], city="Oslo")
    with pytest.raises(ChangedSince):
        desk.undo(name, result, **CALLS[name])
    assert len(desk.contacts()) == 4


UPDATES: list[dict[str, Any]] = [
    {"city": "Rome"},
    {"city": None},
    {"website": "https://x.example", "postal_code": "123", "date_of_birth": "1990-01-01"},
    {"tags": ["x", "y"]},
    {"tags": []},
    {"name": "Sophie Wilson"},
    {"email": "other@x.example", "phone": "+4790000000"},
    {"dnd": True},
    {"custom_fields": [{"id": "f1", "field_value": "x"}]},
    {"source": "a fair"},
]


CHANGES = [("update_contact", fields) for fields in UPDATES] + [
    ("upsert_contact", fields) for fields in UPDATES if None not in fields.values()
]


@pytest.mark.parametrize(("name", "fields"), CHANGES, ids=str)
def test_changed_fields_are_what_they_were(desk: Desk, name: str, fields: dict[str, Any]) -> None:
    before = desk.contacts()
    known = before[0]
    who = {"contact_id": known["id"]} if name == "update_contact" else {"phone": known["phone"]}
    args = {**fields, **who}
    result = desk.do(name, **args)
    assert desk.contacts() != before
    assert desk.undo(name, result, **args) == Restored(verified=True)
    assert desk.contacts() == before


def test_a_field_that_somebody_changed_since_is_left_alone(desk: Desk) -> None:
    known = desk.contacts()[0]["id"]
    result = desk.do("update_contact", contact_id=known, city="Rome")
    desk.do("update_contact", contact_id=known, city="Oslo")
    with pytest.raises(ChangedSince):
        desk.undo("update_contact", result, contact_id=known, city="Rome")
    assert desk.contacts()[0]["city"] == "Oslo"


def test_a_deleted_contact_comes_back_under_a_new_id(desk: Desk) -> None:
    known = desk.contacts()[0]
    desk.do("update_contact", contact_id=known["id"], custom_fields=[{"id": "f1", "field_value": "x"}])
    before = {one["email"]: one for one in desk.contacts()}
    result = desk.do("delete_contact", contact_id=known["id"])
    assert desk.undo("delete_contact", result, contact_id=known["id"]) == Restored(verified=True, exact=False)
    after = {one["email"]: one for one in desk.contacts()}
    assert after[known["email"]]["id"] != known["id"]
    same = {key for key in known if key not in ("id", "dateAdded")} | {"customFields"}
    assert all(after[known["email"]][key] == before[known["email"]][key] for key in same)


def test_a_deleted_contact_whose_email_is_taken_meanwhile_does_not_come_back(desk: Desk) -> None:
    known = desk.contacts()[0]
    result = desk.do("delete_contact", contact_id=known["id"])
    desk.do("create_contact", email=known["email"])
    with pytest.raises(ChangedSince, match="another contact"):
        desk.undo("delete_contact", result, contact_id=known["id"])


# probes


def test_a_probe_tells_this_calls_contact_from_anothers(desk: Desk) -> None:
    args = {"email": "new@x.example"}
    assert desk.probe("create_contact", **args) is False
    desk.do("create_contact", key="mine", **args)
    assert desk.probe("create_contact", key="mine", **args) is True
    assert desk.probe("create_contact", key="another", **args) is None
    assert desk.probe("create_contact", first_name="Nameless") is None


def test_the_contact_of_a_call_in_doubt_is_found_and_taken_back_and_no_other(desk: Desk) -> None:
    before = desk.sim.digest()
    desk.do("create_contact", key="mine", email="new@x.example")
    with pytest.raises(ChangedSince):
        desk.undo("create_contact", None, key="another", email="new@x.example")
    assert desk.undo("create_contact", None, key="mine", email="new@x.example") == Restored(verified=True)
    assert desk.sim.digest() == before


def test_probes_of_the_other_writes(desk: Desk) -> None:
    known = desk.contacts()[0]["id"]
    assert desk.probe("update_contact", contact_id=known, city="Rome") is False
    assert desk.probe("upsert_contact", email="new@x.example", city="Rome") is False
    assert desk.probe("delete_contact", contact_id=known) is False
    desk.do("update_contact", contact_id=known, city="Rome")
    desk.do("upsert_contact", email="new@x.example", city="Rome")
    assert desk.probe("update_contact", contact_id=known, city="Rome") is True
    assert desk.probe("upsert_contact", email="new@x.example", city="Rome") is True
    assert desk.probe("update_contact", contact_id=known, city="Oslo", tags=["a"]) is False
    assert desk.probe("update_contact", contact_id=known, city="Rome", tags=["a"]) is None
    desk.do("delete_contact", contact_id=known)
    assert desk.probe("delete_contact", contact_id=known) is True
    assert desk.probe("update_contact", contact_id=known, city="Rome") is False


def test_a_probe_says_nothing_of_fields_that_it_cannot_compare(desk: Desk) -> None:
    desk.do("upsert_contact", email="new@x.example", city="Rome")
    assert desk.probe("upsert_contact", email="new@x.example", city="Rome", tags=["vip"]) is None
    assert desk.probe("upsert_contact", email="new@x.example", city="Oslo", tags=["vip"]) is False


class PhoneFirst:
    """A location that looks for the contact to change by phone before it does by email."""

    contacts = (
        {"id": "by-email", "email": "ada@x.example", "city": "Rome"},
        {"id": "by-phone", "phone": "+12055550123", "city": "Oslo"},
    )

    async def search_contact(self, email: str | None = None, phone: str | None = None) -> Any:
        asked = ("email", email), ("phone", phone)
        return [one for one in self.contacts for key, value in asked if value and one.get(key) == value]

    async def upsert_contact(self, **fields: Any) -> Any:
        return {"new": False, "contact": {**self.contacts[1], **fields}}


def test_what_an_upsert_puts_back_is_of_the_contact_that_the_vendor_changed() -> None:
    args = {"email": "ada@x.example", "phone": "+12055550123", "city": "Bern"}
    asked = Asked(args=args, mode=Mode.LIVE, key="key-1")
    result = asyncio.run(OPERATIONS["gohighlevel.upsert_contact"].act(PhoneFirst(), asked))
    assert result["before"] == {"email": None, "phone": "+12055550123", "city": "Oslo"}
