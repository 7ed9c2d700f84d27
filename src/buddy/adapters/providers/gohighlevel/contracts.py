"""What GoHighLevel's tools promise; nothing here needs more than the default install."""

from typing import Any

from buddy.adapters.providers.base.tools import Offer
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Risk, Undo

_MODULE = "buddy.adapters.providers.gohighlevel.operations"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_EMAIL = {"type": "string", "format": "email"}
_ID = {"type": "string", "minLength": 1, "description": "id of the contact"}
_OWN_FIELDS = {
    "type": "array",
    "description": "the location's own fields, each by its id",
    "items": {
        "type": "object",
        "properties": {"id": _TEXT, "field_value": {}},
        "required": ["id", "field_value"],
        "additionalProperties": False,
    },
}
_FIELDS: dict[str, Any] = {
    "email": _EMAIL,
    "phone": {"type": "string", "description": "with the country's code, +12055550123"},
    "first_name": _TEXT,
    "last_name": _TEXT,
    "name": {"type": "string", "description": "first and last name together"},
    "company_name": _TEXT,
    "address": _TEXT,
    "city": _TEXT,
    "state": _TEXT,
    "postal_code": _TEXT,
    "country": {"type": "string", "description": "two letters, US"},
    "website": _TEXT,
    "timezone": _TEXT,
    "source": {"type": "string", "description": "where the contact came from"},
    "date_of_birth": _TEXT,
    "assigned_to": {"type": "string", "description": "id of a user"},
    "tags": _TEXTS,
    "dnd": {"type": "boolean", "description": "do not disturb on any channel"},
    "custom_fields": _OWN_FIELDS,
}
_UPDATED = {name: schema for name, schema in _FIELDS.items() if name != "company_name"}
_CLEARED = {
    name: {**schema, "type": [schema["type"], "null"]} if schema.get("type") == "string" else schema
    for name, schema in _UPDATED.items()
}
_CONTACT = {
    "type": "object",
    "properties": {"id": _TEXT, "email": _TEXT, "phone": _TEXT, "tags": _TEXTS},
    "required": ["id"],
}
_SAMPLE = {"id": "ocQHyuzHvysMo5N5VsXc", "email": "ada@example.com", "firstName": "Ada", "tags": []}
_BEFORE = {"type": ["object", "null"], "description": "the fields as they were, for the undo"}


def _takes(properties: dict[str, Any], *required: str, any_of: tuple[str, ...] = ()) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    if any_of:
        schema["anyOf"] = [{"required": [name]} for name in any_of]
    return schema


def _gives(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _read(name: str, summary: str, **fields: Any) -> Offer:
    contract = ToolContract(
        name=f"gohighlevel.{name}",
        summary=summary,
        risk=Risk.LOW,
        effect=Effect.READ,
        permissions=("crm.read",),
        timeout_s=60.0,
        **fields,
    )
    return Offer(contract=contract, module=_MODULE, handlers=frozenset({"live", "mock"}))


def _write(name: str, summary: str, risk: Risk, undo: Undo, **fields: Any) -> Offer:
    contract = ToolContract(
        name=f"gohighlevel.{name}",
        summary=summary,
        risk=risk,
        effect=Effect.WRITE,
        undo=undo,
        timeout_s=60.0,
        **fields,
    )
    handlers = frozenset({"live", "mock", "preview", "undo", "probe"})
    return Offer(contract=contract, module=_MODULE, handlers=handlers)


OFFERS: tuple[Offer, ...] = (
    _write(
        "create_contact",
        "Create a contact; refused where one has the email or phone. Undone by deleting it.",
        Risk.MEDIUM,
        Undo.EQUIVALENT,
        permissions=("crm.write",),
        resources=("contact:{email}", "contact:{phone}"),
        input=_takes(_FIELDS, any_of=("email", "phone", "name", "first_name")),
        output=_gives({"contact": _CONTACT}, "contact"),
        example={"contact": _SAMPLE},
    ),
    _write(
        "upsert_contact",
        "Create a contact, or change the one with this email or phone. Undone by deleting or changing back.",
        Risk.MEDIUM,
        Undo.EQUIVALENT,
        idempotent=True,
        permissions=("crm.write",),
        resources=("contact:{email}", "contact:{phone}"),
        input=_takes(_FIELDS, any_of=("email", "phone")),
        output=_gives({"new": {"type": "boolean"}, "contact": _CONTACT, "before": _BEFORE}, "new", "contact"),
        example={"new": True, "contact": _SAMPLE, "before": None},
    ),
    _write(
        "update_contact",
        "Change fields of a contact; null clears one, tags are replaced. Undone to the values before.",
        Risk.MEDIUM,
        Undo.EXACT,
        idempotent=True,
        permissions=("crm.write",),
        resources=("contact:{contact_id}",),
        input=_takes({"contact_id": _ID, **_CLEARED}, "contact_id"),
        output=_gives({"contact": _CONTACT, "before": _BEFORE}, "contact"),
        example={"contact": _SAMPLE, "before": {}},
    ),
    _write(
        "delete_contact",
        "Delete a contact. Undone under a new id, without its notes, tasks and conversations.",
        Risk.HIGH,
        Undo.EQUIVALENT,
        permissions=("crm.delete",),
        resources=("contact:{contact_id}",),
        input=_takes({"contact_id": _ID}, "contact_id"),
        output=_gives({"deleted": _CONTACT}, "deleted"),
        example={"deleted": _SAMPLE},
    ),
    _read(
        "get_contact",
        "Return a contact.",
        resources=("contact:{contact_id}",),
        input=_takes({"contact_id": _ID}, "contact_id"),
        output=_gives({"contact": _CONTACT}, "contact"),
        example={"contact": _SAMPLE},
    ),
    _read(
        "search_contact",
        "Find contacts by email or phone.",
        resources=("contact:{email}", "contact:{phone}"),
        input=_takes({"email": _EMAIL, "phone": _TEXT}, any_of=("email", "phone")),
        output=_gives({"contacts": {"type": "array", "items": _CONTACT}}, "contacts"),
        example={"contacts": [_SAMPLE]},
    ),
    _read(
        "list_contacts",
        "List contacts, the newest first, over all pages.",
        input=_takes(
            {
                "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
                "query": {"type": "string", "maxLength": 75},
                "filters": {"type": "array", "items": {"type": "object"}},
            }
        ),
        output=_gives({"contacts": {"type": "array", "items": _CONTACT}}, "contacts"),
        example={"contacts": [_SAMPLE]},
    ),
    _read(
        "test_connection",
        "Say whether the location can be reached and read.",
        input=_takes({}),
        output=_gives({"ok": {"type": "boolean"}}, "ok"),
        example={"ok": True, "location_id": "ve9EPM428h8vShlRW1KT", "contacts": 1},
    ),
)
"""Every tool of this provider."""
