"""What GoHighLevel's tools do."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import CapturedRequest, Conflict, NotFound
from buddy.adapters.providers.base.tools import PLACEHOLDER, Asked, Operation
from buddy.adapters.providers.gohighlevel.client import FIELDS, GoHighLevelClient, account
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.errors import ChangedSince
from buddy.model.mode import Mode
from buddy.model.outcome import Change, Restored

_EPOCH = 1_767_225_600.0
"""The time in MOCK, so that the same call gives the same result."""

Contact = Mapping[str, Any]
Described = tuple[Sequence[Change], Any]


@asynccontextmanager
async def connect(asked: Asked, access: Access) -> AsyncIterator[GoHighLevelClient]:
    """Open a client for a call; in MOCK on a simulator of its own, with the contact that it names."""
    mocked = asked.mode is Mode.MOCK
    async with _mocked(asked) if mocked else GoHighLevelClient(account(access), mode=asked.mode) as client:
        yield client


def _mocked(asked: Asked) -> GoHighLevelClient:
    seed = int.from_bytes(sha256(asked.key.encode()).digest()[:6])
    named = asked.args.get("contact_id")
    made = simulator(seed, limit=(0, 1.0), now=lambda: _EPOCH, monotonic=lambda: 0.0, planted=named)
    return GoHighLevelClient(mode=Mode.MOCK, simulator=made)


def _mark(key: str) -> str:
    """Return the source of a contact whose call names none: it tells this call's contact from others."""
    return f"buddy:{sha256(key.encode()).hexdigest()[:12]}"


def _is_ahead(asked: Asked) -> bool:
    """Whether a rehearsal names a record that an earlier step has not made yet."""
    return asked.mode is Mode.DRY_RUN and str(asked.args.get("contact_id", "")).startswith(PLACEHOLDER)


def _fields(args: Mapping[str, Any]) -> dict[str, Any]:
    return {FIELDS[name]: value for name, value in args.items() if name in FIELDS}


def _at(contact: Contact, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a contact has in some fields; of its own fields those that are named."""
    found: dict[str, Any] = {}
    for name, value in names.items():
        if name == "customFields":
            has = {entry["id"]: entry["value"] for entry in contact.get("customFields", [])}
            named = [entry["id"] for entry in value if "id" in entry]
            found[name] = [{"id": own, "field_value": has.get(own, "")} for own in named]
        elif name == "name":
            found |= {"firstName": contact.get("firstName"), "lastName": contact.get("lastName")}
        else:
            found[name] = contact.get(name)
    return found


def _before(found: Contact, asked: Asked) -> dict[str, Any] | None:
    """Return what a contact had in the fields of a call; None where an earlier attempt may have left it."""
    fields = _fields(asked.args)
    return None if asked.attempt > 1 and _holds(found, fields) else _at(found, fields)


def _resource(contact: Contact) -> str:
    named = contact.get("id") or contact.get("email") or contact.get("phone") or contact.get("firstName")
    return f"contact:{named}"


def _content(contact: Contact) -> dict[str, Any]:
    """Return what a contact holds, without what is derived and what the answer to a creation leaves out."""
    return {
        key: contact[key] for key in FIELDS.values() if key in contact and key not in ("name", "timezone")
    }


async def _find(client: GoHighLevelClient, asked: Asked) -> Contact | None:
    """Return the contact that has the email of a call, else the one that has its phone."""
    args = asked.args
    for name in ("email", "phone"):
        if args.get(name):
            found = await client.search_contact(**{name: args[name]})
            if found:
                return found[0]
    return None


# create


async def _create(client: GoHighLevelClient, asked: Asked) -> Any:
    if asked.mode is Mode.DRY_RUN:
        found = await _find(client, asked)
        if found is not None:
            raise Conflict(f"contact {found['id']} has the email or phone already")
    return {"contact": await client.create_contact(**{"source": _mark(asked.key), **asked.args})}


async def _describe_create(client: GoHighLevelClient, asked: Asked, request: CapturedRequest) -> Described:
    after = _fields(asked.args)
    result = {"contact": {**after, "id": PLACEHOLDER + _mark(asked.key)[6:]}}
    return [Change(resource=_resource(after), before=None, after=after)], result


def _is_ours(found: Contact, asked: Asked) -> bool:
    """Whether a contact is the one that this call created."""
    wanted = {"source": _mark(asked.key), **_fields(asked.args)}
    return found.get("source") == wanted["source"] and _holds(found, wanted)


def _holds(contact: Contact, wanted: Mapping[str, Any]) -> bool:
    """Whether a contact has the values that a call gave, as far as the vendor keeps them unchanged."""
    return all(
        str(contact.get(name) or "").lower() == str(wanted[name] or "").lower()
        for name in _KEPT
        if name in wanted
    )


_KEPT = ("email", "firstName", "lastName", "companyName", "city", "state", "website")
"""Fields that the vendor keeps as they were given, but for their case."""


async def _probe_create(client: GoHighLevelClient, asked: Asked) -> bool | None:
    if not asked.args.get("email") and not asked.args.get("phone"):
        return None  # a contact without either cannot be found again
    found = await _find(client, asked)
    if found is None:
        return False
    return True if _is_ours(found, asked) else None  # where a location allows duplicates there may be both


async def _undo_create(client: GoHighLevelClient, asked: Asked, result: Any) -> Restored:
    made = result["contact"] if isinstance(result, dict) else await _find(client, asked)
    if made is None:
        return Restored(verified=True)
    if not isinstance(result, dict) and not _is_ours(made, asked):
        raise ChangedSince("the contact that the call made cannot be told from others")
    return await _take_back(client, made)


async def _take_back(client: GoHighLevelClient, made: Contact) -> Restored:
    try:
        now = await client.get_contact(made["id"])
    except NotFound:
        return Restored(verified=True)
    if _content(now) != _content(made):
        raise ChangedSince(f"contact {made['id']} was changed since it was created")
    await client.delete_contact(made["id"])
    return Restored(verified=await _is_gone(client, made["id"]))


async def _is_gone(client: GoHighLevelClient, contact_id: str) -> bool:
    try:
        await client.get_contact(contact_id)
    except NotFound:
        return True
    return False


# upsert


async def _upsert(client: GoHighLevelClient, asked: Asked) -> Any:
    # Email and phone may name two contacts, of which the vendor chooses one by the location's settings.
    named = await client.search_contact(email=asked.args.get("email"), phone=asked.args.get("phone"))
    asked.seen["found"] = named[0] if named else None
    answer = await client.upsert_contact(**asked.args)
    made = answer["contact"]["id"]
    before = next((_before(one, asked) for one in named if one["id"] == made), None)
    return {**answer, "before": before}


async def _describe_upsert(client: GoHighLevelClient, asked: Asked, request: CapturedRequest) -> Described:
    found: Contact | None = asked.seen["found"]
    if found is None:
        changes, result = await _describe_create(client, asked, request)
        return changes, {"new": True, **result, "before": None}
    fields = _fields(asked.args)
    change = Change(resource=_resource(found), before=_at(found, fields), after=fields)
    return [change], {"new": False, "contact": {**found, **fields}, "before": change.before}


async def _probe_upsert(client: GoHighLevelClient, asked: Asked) -> bool | None:
    fields = _fields(asked.args)
    found = await _find(client, asked)
    if found is None or not _holds(found, fields):
        return False
    return True if fields.keys() <= set(_KEPT) else None


async def _undo_upsert(client: GoHighLevelClient, asked: Asked, result: Any) -> Restored:
    if isinstance(result, dict) and result["new"]:
        return await _take_back(client, result["contact"])
    if not isinstance(result, dict) or result["before"] is None:
        raise ChangedSince("what the contact was before is not known")
    return await _put_back(client, result["contact"], result["before"])


# update


async def _update(client: GoHighLevelClient, asked: Asked) -> Any:
    args = dict(asked.args)
    contact_id = args.pop("contact_id")
    found = {"id": contact_id} if _is_ahead(asked) else await client.get_contact(contact_id)
    asked.seen["found"] = found
    contact = await client.update_contact(contact_id, **args)
    return {"contact": contact, "before": _before(found, asked)}


async def _describe_update(client: GoHighLevelClient, asked: Asked, request: CapturedRequest) -> Described:
    found, fields = asked.seen["found"], _fields(asked.args)
    before = None if _is_ahead(asked) else _at(found, fields)
    change = Change(resource=_resource(found), before=before, after=fields)
    return [change], {"contact": {**found, **fields}, "before": before}


async def _probe_update(client: GoHighLevelClient, asked: Asked) -> bool | None:
    try:
        now = await client.get_contact(asked.args["contact_id"])
    except NotFound:
        return False
    fields = _fields(asked.args)
    plain = {
        name: value for name, value in fields.items() if name not in ("customFields", "phone", "name", "tags")
    }
    same = all((now.get(name) or None) == (value or None) for name, value in plain.items())
    return same if plain.keys() == fields.keys() else (None if same else False)


async def _undo_update(client: GoHighLevelClient, asked: Asked, result: Any) -> Restored:
    if not isinstance(result, dict) or result["before"] is None:
        raise ChangedSince("what the contact was before is not known")
    return await _put_back(client, result["contact"], result["before"])


async def _put_back(client: GoHighLevelClient, left: Contact, before: Mapping[str, Any]) -> Restored:
    """Give a contact the values that it had, where it still has those that the call left."""
    now = await client.get_contact(left["id"])
    if _at(now, before) != _at(left, before):
        raise ChangedSince(f"contact {left['id']} was changed since")
    empty: Mapping[str, Any] = {"tags": [], "dnd": False, "dndSettings": {}}
    values = {name: empty.get(name) if value is None else value for name, value in before.items()}
    cleared = {name: "" if value is None and name in _NOT_NULL else value for name, value in values.items()}
    again = await client.update_contact(left["id"], **cleared)
    return Restored(verified=_at(again, before) == before)


_NOT_NULL = frozenset({"postalCode", "source", "dateOfBirth", "assignedTo"})
"""Fields that the vendor clears by an empty text and not by null."""


# delete


async def _delete(client: GoHighLevelClient, asked: Asked) -> Any:
    contact_id = asked.args["contact_id"]
    found = {"id": contact_id} if _is_ahead(asked) else await client.get_contact(contact_id)
    asked.seen["found"] = found
    await client.delete_contact(contact_id)
    return {"deleted": found}


async def _describe_delete(client: GoHighLevelClient, asked: Asked, request: CapturedRequest) -> Described:
    found = asked.seen["found"]
    return [Change(resource=_resource(found), before=found, after=None)], {"deleted": found}


async def _probe_delete(client: GoHighLevelClient, asked: Asked) -> bool | None:
    return await _is_gone(client, asked.args["contact_id"])


async def _undo_delete(client: GoHighLevelClient, asked: Asked, result: Any) -> Restored:
    if not isinstance(result, dict):
        raise ChangedSince("what the contact held is not known")
    content = {
        key: value for key, value in result["deleted"].items() if key in FIELDS.values() and key != "name"
    }
    content["customFields"] = [
        {"id": entry["id"], "field_value": entry["value"]} for entry in content.get("customFields", [])
    ]
    try:
        made = await client.create_contact(**content)
    except Conflict as problem:
        raise ChangedSince(f"another contact has its email or phone now: {problem}") from problem
    now = await client.get_contact(made["id"])
    same = all(now.get(key) == value for key, value in content.items() if key != "customFields")
    return Restored(verified=same, exact=False)


# reads


async def _get(client: GoHighLevelClient, asked: Asked) -> Any:
    return {"contact": await client.get_contact(asked.args["contact_id"])}


async def _search(client: GoHighLevelClient, asked: Asked) -> Any:
    return {"contacts": await client.search_contact(**asked.args)}


async def _list(client: GoHighLevelClient, asked: Asked) -> Any:
    wanted = {"limit": 100, **asked.args}
    return {"contacts": [contact async for contact in client.list_contacts(**wanted)]}


async def _test(client: GoHighLevelClient, asked: Asked) -> Any:
    return await client.test_connection()


OPERATIONS: Mapping[str, Operation] = {
    "gohighlevel.create_contact": Operation(
        act=_create, describe=_describe_create, undo=_undo_create, probe=_probe_create
    ),
    "gohighlevel.upsert_contact": Operation(
        act=_upsert, describe=_describe_upsert, undo=_undo_upsert, probe=_probe_upsert
    ),
    "gohighlevel.update_contact": Operation(
        act=_update, describe=_describe_update, undo=_undo_update, probe=_probe_update
    ),
    "gohighlevel.delete_contact": Operation(
        act=_delete, describe=_describe_delete, undo=_undo_delete, probe=_probe_delete
    ),
    "gohighlevel.get_contact": Operation(act=_get),
    "gohighlevel.search_contact": Operation(act=_search),
    "gohighlevel.list_contacts": Operation(act=_list),
    "gohighlevel.test_connection": Operation(act=_test),
}
