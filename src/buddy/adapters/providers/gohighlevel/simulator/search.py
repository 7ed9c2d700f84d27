"""`POST /contacts/search`: filters in groups, sorting, and the two ways of paging."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeGuard

from buddy.adapters.providers.gohighlevel.simulator import shapes
from buddy.adapters.providers.gohighlevel.simulator.shapes import Refusal, unprocessable

MOST = 500
REACH = 10_000
"""Records that can be reached by `page`; beyond them `searchAfter` is asked for."""
LONGEST = 75

_DERIVED: Mapping[Any, Callable[[Mapping[str, Any]], Any]] = {
    "firstNameLowerCase": lambda contact: (contact.get("firstName") or "").lower(),
    "lastNameLowerCase": lambda contact: (contact.get("lastName") or "").lower(),
    "contactName": lambda contact: shapes.full_name(contact).lower(),
    "address": lambda contact: contact.get("address1"),
    "assigned": lambda contact: contact.get("assignedTo"),
    "businessName": lambda contact: contact.get("companyName"),
}
_PLAIN = frozenset(
    {
        "id", "email", "phone", "firstName", "lastName", "address1", "city", "state", "country", "postalCode",
        "website", "timezone", "source", "type", "tags", "dnd", "dateAdded", "dateUpdated", "dateOfBirth",
        "companyName", "assignedTo", "followers", "businessId",
    }
)  # fmt: skip
_RANGES: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
}
_NOBODY: Mapping[str, Any] = {"customFields": []}
_KEYS = frozenset({"locationId", "page", "pageLimit", "searchAfter", "filters", "sort", "query"})


def search(contacts: list[dict[str, Any]], body: Any) -> tuple[list[dict[str, Any]], int]:
    """Return a page of contacts, each with its `searchAfter`, and how many there are in all.

    Args:
        contacts: those that the index shows.
        body: of the request.

    Raises:
        Refusal: 422 or 400 with what is wrong.
    """
    _check(body)
    filters, sort = body.get("filters") or [], body.get("sort") or []
    for one in filters:  # what is wrong with them is said also where there is nothing to look at
        _fits(one, _NOBODY)
    for entry in sort:
        value_of(_NOBODY, entry.get("field"))
    text = (body.get("query") or "").lower()
    found = [one for one in contacts if _all(filters, one) and (not text or text in _searchable(one))]
    ordered = _sorted(found, sort)
    limit = body["pageLimit"]
    after = body.get("searchAfter")
    if after:
        start = next((place + 1 for place, one in enumerate(ordered) if cursor(one) == after), None)
        start = _behind(ordered, after) if start is None else start
    else:
        start = (body.get("page", 1) - 1) * limit
    return [{**one, "searchAfter": cursor(one)} for one in ordered[start : start + limit]], len(ordered)


def cursor(contact: Mapping[str, Any]) -> list[Any]:
    """Return where a search goes on after a contact: when it was added, in milliseconds, and its id."""
    return [round(datetime.fromisoformat(contact["dateAdded"]).timestamp() * 1000), contact["id"]]


def _behind(ordered: list[dict[str, Any]], after: list[Any]) -> int:
    """Return where to go on behind a contact that was deleted meanwhile: the default order is by date."""
    return sum(cursor(one) >= after for one in ordered)


def _check(body: Any) -> None:
    if not isinstance(body, dict):
        raise unprocessable(["the body must be an object"])
    problems = [f"property {key} should not exist" for key in body if key not in _KEYS]
    if not isinstance(body.get("locationId"), str) or not body["locationId"]:
        problems.append("locationId must be a string")
    limit, page = body.get("pageLimit"), body.get("page", 1)
    if not _is_count(limit) or not 1 <= limit <= MOST:
        problems.append(f"pageLimit must be a number from 1 to {MOST}")
    if not _is_count(page) or page < 1:
        problems.append("page must be a positive number")
    text = body.get("query")
    if text is not None and not (isinstance(text, str) and len(text) <= LONGEST):
        problems.append(f"query must be a string of at most {LONGEST} characters")
    for key in ("filters", "sort"):
        entries = body.get(key)
        if entries is not None and not (
            isinstance(entries, list) and all(isinstance(e, dict) for e in entries)
        ):
            problems.append(f"{key} must be an array of objects")
    after = body.get("searchAfter")
    if after is not None and not (isinstance(after, list) and len(after) in (0, 2)):
        problems.append("searchAfter must be an array as an answer had it")
    if problems:
        raise unprocessable(problems)
    if after and "page" in body:
        raise Refusal(400, "page and searchAfter cannot be used together", error="Bad Request")
    if page * limit > REACH:
        raise Refusal(400, f"use searchAfter beyond {REACH} records", error="Bad Request")


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _all(filters: list[Any], contact: Mapping[str, Any]) -> bool:
    return all(_fits(one, contact) for one in filters)


def _fits(one: Any, contact: Mapping[str, Any]) -> bool:
    if not isinstance(one, dict):
        raise unprocessable(["each value in filters must be an object"])
    if "group" in one:
        inner = one.get("filters")
        if one["group"] not in ("AND", "OR") or not isinstance(inner, list):
            raise unprocessable(["group must be AND or OR, with filters"])
        fits = [_fits(entry, contact) for entry in inner]
        return all(fits) if one["group"] == "AND" else any(fits)
    return _holds(value_of(contact, one.get("field")), one.get("operator"), one.get("value"))


def value_of(contact: Mapping[str, Any], field: Any) -> Any:
    """Return what a filter's or a sort's field stands for.

    Raises:
        Refusal: there is no such field.
    """
    if isinstance(field, str) and field.startswith("customFields."):
        own = field.removeprefix("customFields.")
        return next((entry["value"] for entry in contact["customFields"] if entry["id"] == own), None)
    if field in _DERIVED:
        return _DERIVED[field](contact)
    if field in _PLAIN:
        return contact.get(field)
    raise Refusal(400, f"Invalid field: {str(field)[:100]}", error="Bad Request")


def _holds(found: Any, operator: Any, wanted: Any) -> bool:
    values = found if isinstance(found, list) else [found]
    wants = wanted if isinstance(wanted, list) else [wanted]
    match operator:
        case "eq":
            return any(_same(value, want) for value in values for want in wants)
        case "not_eq":
            return not any(_same(value, want) for value in values for want in wants)
        case "contains":
            return any(str(want).lower() in str(value).lower() for value in values if value for want in wants)
        case "not_contains":
            return not _holds(found, "contains", wanted)
        case "exists":
            return found not in (None, "", [])
        case "not_exists":
            return found in (None, "", [])
        case "range":
            return _within(found, wanted)
        case _:
            raise Refusal(400, f"Invalid operator: {str(operator)[:100]}", error="Bad Request")


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return found.lower() == wanted.lower()
    return type(found) is type(wanted) and bool(found == wanted)


def _within(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not wanted or wanted.keys() - _RANGES.keys():
        raise unprocessable(["the value of a range must be an object of gt, gte, lt, lte"])
    if found is None:
        return False
    try:
        return all(_RANGES[key](found, edge) for key, edge in wanted.items())
    except TypeError:
        return False


def _searchable(contact: Mapping[str, Any]) -> str:
    parts = (
        shapes.full_name(contact),
        contact.get("email"),
        contact.get("phone"),
        contact.get("companyName"),
    )
    return "\n".join(filter(None, parts)).lower()


def _sorted(found: list[dict[str, Any]], sort: list[Any]) -> list[dict[str, Any]]:
    ordered = sorted(found, key=cursor, reverse=True)
    for entry in reversed(sort):
        direction = entry.get("direction", "asc")
        if direction not in ("asc", "desc"):
            raise unprocessable(["direction must be asc or desc"])
        keys = {one["id"]: _sortable(value_of(one, entry.get("field"))) for one in ordered}
        ordered.sort(key=lambda one: keys[one["id"]], reverse=direction == "desc")
    return ordered


def _sortable(value: Any) -> tuple[bool, str]:
    return value is not None, str(value).lower()
