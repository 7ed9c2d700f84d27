"""What Mployer's tools promise; nothing here needs more than the default install."""

from typing import Any

from buddy.adapters.providers.base.tools import Offer
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Risk, Undo

_MODULE = "buddy.adapters.providers.mployer.operations"
_TEXT: dict[str, Any] = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_FILTERS: dict[str, Any] = {
    "min_employees": _COUNT,
    "max_employees": _COUNT,
    "industry": {"type": "string", "description": "as the portal's form has it"},
    "state": {"type": "string", "description": "its name, or two letters"},
    "city": _TEXT,
    "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
    "ein": {"type": "string", "pattern": "^[0-9]{2}-?[0-9]{7}$"},
    "website": _TEXT,
}
_SHOWN = {
    "type": "object",
    "properties": dict.fromkeys(("name", "title", "company", "industry", "city", "state"), _TEXT)
    | {"employees": _COUNT},
    "required": ["name", "title", "company"],
}
_KNOWN = {
    "type": "object",
    "properties": dict.fromkeys(
        (
            *("contact_id", "first_name", "last_name", "title", "email", "phone", "company", "industry"),
            *("city", "state", "zip", "ein", "website"),
        ),
        _TEXT,
    )
    | {"employees": _COUNT},
    "required": ["email"],
}
_SEARCH = {
    "type": "object",
    "properties": {
        "filters": {"type": "object", "properties": _FILTERS, "additionalProperties": False},
        "total": _COUNT,
        "contacts": {"type": "array", "items": _SHOWN},
    },
    "required": ["filters", "contacts"],
}
_PERSON = {
    "name": "Ada Novak",
    "title": "HR Director",
    "company": "Birchford Freight",
    "industry": "Logistics",
    "employees": 42,
    "city": "Austin",
    "state": "TX",
}
_CONTACT = {
    "contact_id": "c00000010",
    "first_name": "Ada",
    "last_name": "Novak",
    "title": "HR Director",
    "email": "ada.novak@birchford-freight.example",
    "phone": "+15125550101",
    "company": "Birchford Freight",
    "industry": "Logistics",
    "employees": 42,
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "ein": "00-0000001",
    "website": "birchford-freight.example",
}


def _takes(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _gives(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _read(name: str, summary: str, given: dict[str, Any], returned: dict[str, Any], **fields: Any) -> Offer:
    contract = ToolContract(
        name=f"mployer.{name}",
        summary=summary,
        risk=Risk.LOW,
        effect=Effect.READ,
        idempotent=True,
        permissions=("mployer.read",),
        timeout_s=180.0,
        input=given,
        output=returned,
        **fields,
    )
    return Offer(
        contract=contract, module=_MODULE, handlers=frozenset({"live", "mock"}), extra="providers,browser"
    )


OFFERS: tuple[Offer, ...] = (
    _read(
        "login",
        "Sign in to the portal, with the mailed code where it asks for one.",
        _takes({}),
        _gives({"signed_in": {"type": "boolean"}, "code": {"type": "boolean"}}),
        example={"signed_in": True, "code": False},
    ),
    _read(
        "search_contacts",
        "Search for employers by filters; returns the people that the portal shows.",
        _takes(_FILTERS),
        _SEARCH,
        depends_on=("mployer.login",),
        example={"filters": {"state": "TX"}, "total": 1, "contacts": [_PERSON]},
    ),
    _read(
        "extract_contacts",
        "Take along mail, telephone and address of the people that a search found.",
        _takes({"search": _SEARCH}, "search"),
        _gives({"total": _COUNT, "contacts": {"type": "array", "items": _KNOWN}}),
        depends_on=("mployer.search_contacts",),
        example={"total": 1, "contacts": [_CONTACT]},
    ),
    Offer(
        contract=ToolContract(
            name="mployer.add_to_gohighlevel",
            summary="Create those contacts that GoHighLevel does not have. Undone by deleting them.",
            risk=Risk.MEDIUM,
            effect=Effect.WRITE,
            undo=Undo.EQUIVALENT,
            idempotent=True,
            permissions=("crm.write",),
            resources=("gohighlevel:contacts",),
            depends_on=("mployer.extract_contacts",),
            timeout_s=180.0,
            input=_takes({"contacts": {"type": "array", "items": _KNOWN, "maxItems": 500}}, "contacts"),
            output=_gives(
                {"created": {"type": "array", "items": _TEXT}, "existing": {"type": "array", "items": _TEXT}}
            ),
            example={"created": ["ocQHyuzHvysMo5N5VsXc"], "existing": []},
        ),
        module=_MODULE,
        handlers=frozenset({"live", "mock", "preview", "undo", "probe"}),
    ),
    _read(
        "logout",
        "Sign out of the portal.",
        _takes({}),
        _gives({"signed_in": {"type": "boolean"}, "was": {"type": "boolean"}}),
        depends_on=("mployer.login", "mployer.search_contacts", "mployer.extract_contacts"),
        example={"signed_in": False, "was": True},
    ),
)
"""Every tool of this provider. Opening and closing a session changes nothing that is kept: it reads."""
