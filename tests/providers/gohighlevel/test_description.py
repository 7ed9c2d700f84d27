"""Every call that the vendor describes, answered in the form that the description gives."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from buddy.adapters.providers.gohighlevel.simulator import shapes
from buddy.adapters.providers.gohighlevel.simulator.openapi import document
from providers.gohighlevel.wire import OLD, V3, Wire

DATA = Path(__file__).parents[2] / "data" / "gohighlevel"
DESCRIBED = {
    version: json.loads((DATA / f"contacts-{version}.json").read_text("utf-8")) for version in (OLD, V3)
}
FIRST = {
    "firstName": "Rosan",
    "lastName": "Deo",
    "email": "rosan@deos.example",
    "phone": "+1 888-888-8888",
    "address1": "3535 1st St N",
    "city": "Dolomite",
    "state": "AL",
    "postalCode": "35061",
    "website": "https://www.example.com",
    "timezone": "America/Chihuahua",
    "dnd": True,
    "tags": ["one"],
    "customFields": [{"id": "6dvNaf7VhkQ9snc5vnjJ", "field_value": "My Text"}],
    "source": "public api",
    "country": "US",
    "companyName": "DGS VolMAX",
    "gender": "male",
    "inboundDndSettings": {"all": {"status": "active", "message": "none"}},
}
DND = {OLD: {"Call": {"status": "active"}}, V3: {"call": {"status": "active"}}}


def bodies(version: str, location: str, contact: str) -> dict[str, Any]:
    """Operation -> a body that fits it."""
    note, task = (
        {"body": "a note", "title": "t"},
        {"title": "t", "dueDate": "2026-11-25T11:00:00Z", "completed": False},
    )
    return {
        "create-contact": {
            **FIRST,
            "locationId": location,
            "dndSettings": DND[version],
            "email": "new@deos.example",
            "phone": "+15",
        },
        "update-contact": {"city": "Rome", "dndSettings": DND[version]},
        "upsert-contact": {"locationId": location, "email": "rosan@deos.example", "dnd": False},
        "search-contacts-advanced": {"locationId": location, "pageLimit": 2},
        "add-tags": {"tags": ["two"]},
        "remove-tags": {"tags": ["one"]},
        "create-note": note,
        "update-note": note,
        "create-task": task,
        "update-task": task,
        "update-task-completed": {"completed": True},
        "create-association": {
            "contacts": [contact],
            "tags": ["x"],
            "locationId": location,
            "removeAllTags": False,
        },
        "add-remove-contact-from-business": {"locationId": location, "ids": [contact], "businessId": "b-1"},
        "add-followers-contact": {"followers": ["u-1"]},
        "remove-followers-contact": {"followers": ["u-1"]},
        "add-contact-to-campaign": {},
        "add-contact-to-workflow": {},
        "delete-contact-from-workflow": {},
    }


def operations(version: str) -> list[tuple[str, str, str]]:
    return [
        (method, path, operation["operationId"])
        for path, by_method in DESCRIBED[version]["paths"].items()
        for method, operation in by_method.items()
    ]


CALLS = [(version, *operation) for version in (OLD, V3) for operation in operations(version)]


def whole(version: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": DESCRIBED[version]["components"]}


def resolved(version: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to in its place, as far as its own properties go."""
    found = dict(schema)
    for part in (found.pop("allOf", None) or []) + ([found.pop("$ref")] if "$ref" in found else []):
        reference = part if isinstance(part, str) else part["$ref"]
        found = {**DESCRIBED[version]["components"]["schemas"][reference.rpartition("/")[2]], **found}
    return found


def undescribed(version: str, schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """The places in an answer that the description does not know."""
    known = resolved(version, schema)
    if isinstance(value, dict) and known.get("properties"):
        for name, entry in value.items():
            if name not in known["properties"]:
                yield f"{place}/{name}"
            else:
                yield from undescribed(version, known["properties"][name], entry, f"{place}/{name}")
    if isinstance(value, list) and known.get("items"):
        for entry in value:
            yield from undescribed(version, known["items"], entry, f"{place}/*")


@pytest.mark.parametrize(("version", "method", "path", "name"), CALLS, ids=lambda value: str(value))
def test_every_described_call_is_answered_as_it_is_described(
    version: str, method: str, path: str, name: str
) -> None:
    wire = Wire(version=version)
    contact = wire.made(**{**FIRST, "dndSettings": DND[version]})["id"]
    note = wire("POST", f"/contacts/{contact}/notes", {"body": "n"}).json()["note"]["id"]
    task = wire("POST", f"/contacts/{contact}/tasks", bodies(version, "", "")["create-task"]).json()["task"][
        "id"
    ]
    places = {"contactId": contact, "id": note, "taskId": task, "type": "add", "businessId": "b-1"}
    filled = re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], "x-1"), path)
    query = {"locationId": wire.location} if name in ("get-contacts", "get-contacts-by-businessId") else {}
    if name == "get-duplicate-contact":
        query = {"locationId": wire.location, "email": "ROSAN@deos.example"}
    body = bodies(version, wire.location, contact).get(name)
    answer = wire(method.upper(), filled, body, params=query)
    described = DESCRIBED[version]["paths"][path][method]["responses"]
    success = next(code for code in described if code.startswith("2"))
    assert str(answer.status_code) == success, answer.text
    schema = described[success]
    if schema:
        found = answer.json()
        jsonschema_rs.validate(whole(version, schema), found)
        if name not in LISTS:
            assert list(undescribed(version, schema, found)) == []
    if body is not None and "requestBody" in DESCRIBED[version]["paths"][path][method]:
        jsonschema_rs.validate(whole(version, DESCRIBED[version]["paths"][path][method]["requestBody"]), body)


LISTS = {"get-contacts", "get-contacts-by-businessId"}
"""Whose described contacts leave out what the vendor shows: names, phone, and the place of the next page."""


@pytest.mark.parametrize("version", [OLD, V3])
@pytest.mark.parametrize("part", ["Create", "Update", "Upsert"])
def test_the_fields_of_a_body_are_those_of_the_description(version: str, part: str) -> None:
    schemas = DESCRIBED[version]["components"]["schemas"]
    described = schemas[f"{part}ContactDto{'V3' if version == V3 else ''}"]
    ours = {"Create": shapes.CREATE, "Update": shapes.UPDATE, "Upsert": shapes.UPSERT}[part]
    assert ours == set(described["properties"])


@pytest.mark.parametrize("version", [OLD, V3])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"path": "/contacts/nobody"}, 400),
        ({"headers": {"Version": None}}, 401),
        ({"headers": {"Version": "2020-01-01"}}, 401),
        ({"headers": {"Authorization": None}}, 401),
        ({"headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"method": "PUT", "body": {"nope": 1}}, 422),
    ],
)
def test_errors_have_the_described_form(version: str, asked: dict[str, Any], status: int) -> None:
    wire = Wire(version=version)
    path = asked.get("path") or f"/contacts/{wire.made(email='a@b.example')['id']}"
    method = asked.get("method", "GET")
    answer = wire(method, path, asked.get("body"), asked.get("headers"))
    assert answer.status_code == status
    described = DESCRIBED[version]["paths"]["/contacts/{contactId}"][method.lower()]["responses"][str(status)]
    body = answer.json()
    jsonschema_rs.validate(whole(version, described), body)
    assert body["statusCode"] == status


def test_the_simulator_describes_every_call_of_both_dialects() -> None:
    ours = {(method, path) for path, by_method in document()["paths"].items() for method in by_method}
    theirs = {(method, path) for _, method, path, _ in CALLS}
    assert ours == theirs
